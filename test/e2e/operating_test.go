package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// TestSlowSenderDelaysNoOther: with more messages of a slow sender than the worker has
// slots, those of another sender go out at once, and the slow one keeps its pace.
func TestSlowSenderDelaysNoOther(t *testing.T) {
	t.Parallel()
	const slow = "+12065550199"
	s := start(t, with("SINCH_SENDERS", slow), with("SINCH_SENDER_RATES", slow+"=0.5"), with("WORKER_CONCURRENCY", "4"))
	begun := time.Now()
	for range 20 {
		s.send(message{"from": slow})
	}
	for range 10 {
		s.awaitStatus(s.send(message{}), "delivered")
	}
	allowed := 2 + int(time.Since(begun)/(2*time.Second))
	if calls := len(s.sim.AllCalls()) - 10; calls > allowed || calls < 1 {
		t.Errorf("%d calls of the slow sender within %s", calls, time.Since(begun))
	}
}

// TestCanceledBatchDelaysNoLaterMessage: the places in a sender's pace that the messages
// of a canceled batch had reserved are free for its next message.
func TestCanceledBatchDelaysNoLaterMessage(t *testing.T) {
	t.Parallel()
	const (
		slow     = "+12065550199"
		messages = 100 // the last of them would go after 500 s
	)
	s := start(t, with("SINCH_SENDERS", slow), with("SINCH_SENDER_RATES", slow+"=0.2"))
	rows := make([]message, messages)
	for i := range rows {
		rows[i] = s.fill(message{"from": slow})
	}
	var b batch
	s.read(s.want(s.call(http.MethodPost, "/v1/batches", message{"messages": rows}), http.StatusAccepted), &b)
	client := s.redis.Client(t)
	reserved := func() int64 {
		n, err := client.ZCard(t.Context(), "mms:{m}:pace:sender:"+slow[1:]+":reserved").Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.await("most have a place", s.conf.patience, func() (bool, string) { return reserved() > messages/2, fmt.Sprint(reserved()) })
	s.want(s.call(http.MethodPost, "/v1/batches/"+b.ID+"/cancel", nil), http.StatusOK)
	s.await("rest of the batch", s.conf.patience, func() (bool, string) {
		now := s.lookUpBatch(b.ID)
		return now.Counts["queued"]+now.Counts["sending"] == 0, fmt.Sprintf("%+v", now)
	})
	s.awaitStatus(s.send(message{"from": slow}), "delivered")
}

// TestPausedMessagesSurviveAKill: workers that die while messages are parked, and
// while they come back, drop none and send none twice.
func TestPausedMessagesSurviveAKill(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2), patient())
	store := pause.NewStore(s.redis.Client(t))
	p := pause.Pause{Scope: pause.All, Reason: "fault test", Actor: "test", Since: time.Now()}
	if err := store.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b := s.stream("clientReference=parked", s.rows(200))
	parked := func() int64 {
		n, err := s.redis.Client(t).ZCard(t.Context(), "mms:{m}:parked:all").Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.await("some are parked", s.conf.patience, func() (bool, string) { return parked() > 0, "none" })
	s.workers[0].Kill()
	s.startWorker()
	s.await("all are parked", s.conf.patience, func() (bool, string) { return parked() >= 200, fmt.Sprint(parked()) })
	if n := len(s.sim.AllCalls()); n != 0 {
		t.Fatalf("%d calls during the pause", n)
	}
	if err := store.Remove(t.Context(), p.Key()); err != nil {
		t.Fatal(err)
	}
	s.await("some come back", s.conf.patience, func() (bool, string) { return parked() < 100, fmt.Sprint(parked()) })
	s.workers[1].Kill()
	s.startWorker()
	s.awaitDone(b.ID)
	if got := s.lookUpBatch(b.ID); got.Total != 200 || strings.Contains(got.Status, "paused") {
		t.Errorf("%+v", got)
	}
}

// TestPaceHoldsAfterAnOutage: while Sinch refuses the account the pause is listed with
// Sinch's code and the next probe, and what has waited goes out at the pace.
func TestPaceHoldsAfterAnOutage(t *testing.T) {
	t.Parallel()
	const (
		rate     = 20
		saved    = rate/10 + 20 // what may go at once, and what is on its way when Sinch recovers
		messages = 150
	)
	s := start(t, workers(2), with("SINCH_RATE", strconv.Itoa(rate)), with("SINCH_PAUSE", "2s"))
	s.sim.SetDefault("E104")
	b := s.stream("clientReference=outage", s.rows(messages))
	s.await("the pause is listed", s.conf.patience, func() (bool, string) {
		pauses, err := operator.Pauses(t.Context(), s.redis.Client(t))
		if err != nil {
			t.Fatal(err)
		}
		return len(pauses) == 1 && pauses[0].Scope == "account" && strings.Contains(pauses[0].Reason, "(E104)") && pauses[0].ProbeAt != nil, fmt.Sprintf("%+v", pauses)
	})
	refused, recovered := len(s.sim.AllCalls()), time.Now()
	s.sim.SetDefault("ok")
	s.awaitDone(b.ID)
	calls := s.sim.AllCalls()
	if len(calls) < messages+refused-2 {
		t.Fatalf("%d calls for %d messages", len(calls), messages)
	}
	wantPace(t, recovered, calls[refused:], rate, saved)
}

// insist hands rows over until all are accepted: a busy Redis may cut the stream.
func (s *stack) insist(query string, rows []string) batch {
	s.t.Helper()
	var b batch
	s.await("acceptance of the batch", 2*s.conf.patience, func() (bool, string) {
		got := s.call(http.MethodPost, "/v1/batches?"+query, strings.Join(rows, "\n"), harness.Header{Name: "Content-Type", Value: "application/x-ndjson"})
		if got.Status != http.StatusAccepted && got.Status != http.StatusOK {
			return false, got.String()
		}
		s.read(got, &b)
		return b.Accepted+b.Duplicates == len(rows), got.String()
	})
	return b
}

// TestTenMinutesOfOutage: Sinch refuses the account for ten minutes of Redis' clock
// while 10,000 messages wait. It is asked by probes alone, and then what has waited
// goes out at the pace from the first second on: no tokens were saved.
func TestTenMinutesOfOutage(t *testing.T) {
	t.Parallel()
	const (
		rate     = 50
		saved    = rate/10 + 8 // what may go at once, and the probe that is on its way
		messages = 10_000
		minutes  = 10
		observed = 15 * rate // calls after the outage
	)
	clock := redistest.NewClock(t)
	s := start(t, workers(2), redisClock(clock), with("SINCH_RATE", strconv.Itoa(rate)), with("SINCH_PAUSE", "1s"), with("LOG_LEVEL", "info"))
	s.sim.SetDefault("E104")
	rows := make([]string, messages)
	for i := range rows { // not private: ten thousand values are not searched for in every log
		rows[i] = fmt.Sprintf(`{"to":%q,"text":"Sale","mediaUrl":"https://media.example.com/%d.jpg"}`, numberPool.Next(), i)
	}
	b := s.insist("clientReference=outage", rows)
	seen := func() int { return s.sim.Stats().Calls }
	for minute := range minutes {
		before := seen()
		s.await("a probe", s.conf.patience, func() (bool, string) { return seen() > before, fmt.Sprint(seen(), " calls") })
		clock.Move(time.Duration(minute+1) * time.Minute)
	}
	refused := seen()
	if most := 2*20 + 4*minutes; refused > most { // two workers of 20 slots notice it, and then probe
		t.Errorf("%d calls during the outage, want %d at most", refused, most)
	}
	if waiting := s.lookUpBatch(b.ID).Counts["queued"]; waiting < messages-refused {
		t.Errorf("%d messages wait", waiting)
	}
	recovered := time.Now()
	s.sim.SetDefault("ok")
	s.await("calls at the pace", 2*s.conf.patience, func() (bool, string) { return seen() >= refused+observed, fmt.Sprint(seen(), " calls") })
	wantPace(t, recovered, s.sim.AllCalls()[refused:], rate, saved)
	s.want(s.call(http.MethodPost, "/v1/batches/"+b.ID+"/cancel", nil), http.StatusOK)
}
