package e2e_test

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// equalRows makes rows that differ only in their numbers.
func (s *stack) equalRows(numbers ...string) []string {
	text, media := secretText(), mediaURL()
	s.private.add("text", text)
	s.private.add("media URL", media)
	rows := make([]string, len(numbers))
	for i, to := range numbers {
		s.private.add("recipient", to[2:])
		rows[i] = fmt.Sprintf(`{"to":%q,"text":%q,"mediaUrl":%q}`, to, text, media)
	}
	return rows
}

func manyNumbers(n int) []string {
	numbers := make([]string, n)
	for i := range numbers {
		numbers[i] = numberPool.Next()
	}
	return numbers
}

// wantOnceEach checks that Sinch accepted each of n numbers once.
func (s *stack) wantOnceEach(n int) {
	s.t.Helper()
	reached := s.sim.AcceptedBy("number")
	if len(reached) != n {
		s.t.Errorf("Sinch has %d recipients, want %d", len(reached), n)
	}
	for number, calls := range reached {
		if calls != 1 {
			s.t.Errorf("Sinch accepted %d calls to …%s", calls, number[len(number)-4:])
		}
	}
}

// A thousand equal messages are a few calls, and each message has its own receipt.
func TestEqualMessagesShareCalls(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches), workers(2), patient())
	numbers := manyNumbers(1000)
	numbers[500] = numberPool.Ending("9004") // accepted, and not delivered
	b := s.stream("", s.equalRows(numbers...))
	done := s.awaitDone(b.ID)
	if done.Counts["delivered"] != 999 || done.Counts["undelivered"] != 1 {
		t.Errorf("%+v", done)
	}
	s.wantOnceEach(1000)
	if calls := s.sim.Stats().Calls; calls > 5 {
		t.Errorf("%d calls for 1,000 messages", calls)
	}
}

// A call that Sinch refuses for one of its numbers fails that one alone.
func TestRefusedNumberFailsAlone(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches))
	numbers := manyNumbers(200)
	numbers[123] = numberPool.Ending("9001")
	b := s.stream("", s.equalRows(numbers...))
	done := s.awaitDone(b.ID)
	if done.Counts["delivered"] != 199 || done.Counts["failed"] != 1 {
		t.Errorf("%+v", done)
	}
	s.wantOnceEach(199)
}

// TestKilledWorkerDoublesNoMultiCall kills a worker while calls are under way:
// those that Sinch has are looked up and not made again.
func TestKilledWorkerDoublesNoMultiCall(t *testing.T) {
	t.Parallel()
	const messages = 1500
	s := start(t, over(batches), workers(2), patient(), with("SINCH_RATE", "400"))
	s.sim.SetDefault("slow:1s")
	b := s.stream("", s.equalRows(manyNumbers(messages)...))
	s.await("calls under way", harness.Patience, func() (bool, string) {
		stats := s.sim.Stats()
		return stats.Accepted >= 1 && stats.InFlight > 0, fmt.Sprintf("%+v", stats)
	})
	s.workers[0].Kill()
	s.startWorker()
	s.sim.SetDefault("ok")
	done := s.awaitDone(b.ID)
	if done.Counts["delivered"] != messages {
		t.Errorf("%+v", done)
	}
	s.wantOnceEach(messages)
	t.Log(strconv.Itoa(s.sim.Stats().Calls), "calls")
}

// A canceled batch begins no more calls, and later messages share calls.
func TestMultiCallsAreScheduledAndCanceled(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches))
	later := url.Values{"sendAt": {time.Now().Add(8 * time.Second).UTC().Format(time.RFC3339Nano)}}
	due := s.stream(later.Encode(), s.equalRows(manyNumbers(100)...))
	canceled := s.stream(later.Encode(), s.equalRows(manyNumbers(100)...))
	s.call("POST", "/v1/batches/"+canceled.ID+"/cancel", nil)
	if done := s.awaitDone(due.ID); done.Counts["delivered"] != 100 {
		t.Errorf("%+v", done)
	}
	if now := s.lookUpBatch(canceled.ID); now.Counts["canceled"] != 100 {
		t.Errorf("%+v", now)
	}
	s.wantOnceEach(100)
	if calls := s.sim.Stats().Calls; calls > 5 {
		t.Errorf("%d calls for 100 messages", calls)
	}
}
