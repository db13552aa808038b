package e2e_test

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// endsWithin is SHUTDOWN_TIMEOUT (6 s), and as much again and more for a loaded
// machine.
const endsWithin = 30 * time.Second

func TestStoppedWorkerFinishesItsCalls(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api))
			s.sim.SetDefault(map[string]any{"delay": "1500ms", "receipts": map[string]any{"outcome": "none"}})
			id := s.send(message{})
			s.awaitCalls(id, 1)

			s.workers[0].Signal(syscall.SIGTERM)
			if code := s.workers[0].Wait(endsWithin); code != 0 {
				t.Fatalf("the worker ended with exit code %d", code)
			}
			r := s.lookUp(id)
			if r.Status != "sent" || r.SinchID == nil || *r.SinchID != s.sim.Calls(id)[0].ID {
				t.Errorf("%s after the worker finished, want sent", r)
			}

			s.sim.SetDefault("ok")
			s.startWorker()
			s.awaitStatus(s.send(message{}), "delivered")
			s.wantAccepted(id, 1)
			s.wantAttempts(s.lookUp(id), 1)
		})
	}
}

// A Redis that does not answer keeps a worker from recording its calls, but not
// from ending; nothing is called again for that.
func TestStoppedWorkerDoesNotWaitForAFrozenRedis(t *testing.T) {
	t.Parallel()
	s := start(t, patient())
	s.sim.SetDefault("slow:1s")
	ids := make([]string, 10)
	for i := range ids {
		ids[i] = s.send(message{})
	}
	s.await("calls", harness.Patience, func() (bool, string) {
		n := s.sim.Stats().Calls
		return n == len(ids), strconv.Itoa(n)
	})
	s.redis.Freeze()
	s.workers[0].Signal(syscall.SIGTERM)
	s.workers[0].Wait(endsWithin) // each of asynq's loops alone would need 27 s
	s.redis.Thaw()
	s.awaitUp()
	s.sim.SetDefault("ok")
	s.startWorker()
	for _, id := range ids {
		s.awaitStatus(id, "delivered")
		s.wantAccepted(id, 1)
	}
}

func TestStoppedWorkerLeavesTheRestToOthers(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2), with("WORKER_CONCURRENCY", "3"))
	s.sim.SetDefault("slow:100ms")
	var ids []string
	for range 60 {
		ids = append(ids, s.send(message{"priority": "bulk"}))
	}
	s.workers[0].Signal(syscall.SIGTERM)
	if code := s.workers[0].Wait(endsWithin); code != 0 {
		t.Fatalf("the worker ended with exit code %d", code)
	}
	for _, id := range ids {
		s.wantAttempts(s.awaitStatus(id, "delivered"), 1)
		s.wantAccepted(id, 1)
	}
}

func TestKilledWorkersCallIsUnknown(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.awaitSweep() // the worst case: the worker dies with the lock
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, hanging())
	id := s.send(message{"to": to})
	s.awaitCalls(id, 1)
	s.workers[0].Kill()
	killed := time.Now()

	s.startWorker()
	r := s.awaitStatus(id, "unknown")
	if took := r.Timeline[len(r.Timeline)-1].At.Sub(killed); took > 30*time.Second {
		t.Errorf("found out after %s, want 30s at most", took)
	}
	if r.Reason == nil || r.Reason.Code != "unknown_outcome" {
		t.Errorf("%s: want the reason unknown_outcome", r)
	}
	s.awaitStatus(s.send(message{}), "delivered")
	s.whileStable("one call", 2*time.Second, func() (bool, string) {
		calls := s.sim.Calls(id)
		return len(calls) == 1, "Sinch was called again"
	})
	s.wantAccepted(id, 1)
}

// awaitSweep waits until a worker has the sweeper's lock.
func (s *stack) awaitSweep() {
	s.t.Helper()
	client := s.redis.Client(s.t)
	s.await("sweep", harness.Patience, func() (bool, string) {
		keys, err := client.Keys(s.t.Context(), "*sweeper*").Result()
		return len(keys) == 1 && err == nil, strings.Join(keys, " ")
	})
}

func TestKilledWorkersCallIsLookedUp(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches))
	accepted, lost := numberPool.Next(), numberPool.Next()
	s.sim.ForNumber(accepted, 1, hanging())
	s.sim.ForNumber(lost, 1, "hang_before")
	found, resent := s.send(message{"to": accepted}), s.send(message{"to": lost})
	s.awaitCalls(found, 1)
	s.awaitCalls(resent, 1)
	s.workers[0].Kill()

	s.startWorker()
	s.wantAttempts(s.awaitStatus(found, "sent"), 1)
	s.wantAccepted(found, 1)
	s.wantAttempts(s.awaitStatus(resent, "delivered"), 2)
	s.wantAccepted(resent, 1)
}

func TestKilledWorkersMessagesAreSentOnce(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2), with("WORKER_CONCURRENCY", "5"), patient())
	s.sim.SetDefault("slow:150ms")
	var ids []string
	for range 80 {
		ids = append(ids, s.send(message{}))
	}
	s.workers[0].Kill()
	s.startWorker()
	unknown := 0
	for _, id := range ids {
		r := s.awaitMessage(id, "an end", func(r resource) bool {
			return slices.Contains([]string{"delivered", "unknown"}, r.Status)
		})
		if n := s.accepted(id); n > 1 || (r.Status == "delivered" && n != 1) {
			t.Errorf("%s with %d accepted calls", r, n)
		}
		if r.Status == "unknown" {
			unknown++
		}
	}
	if unknown > 10 { // what two lanes of one worker can have in flight
		t.Errorf("%d messages are unknown", unknown)
	}
}

func TestFrozenWorkerSendsNothingLate(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches), workers(2), with("SINCH_TIMEOUT", "500ms"), with("WORKER_CONCURRENCY", "10"), patient())
	s.sim.SetDefault("slow:300ms")
	var ids []string
	for range 100 {
		ids = append(ids, s.send(message{}))
	}
	frozen := s.workers[0]
	frozen.Freeze()
	// The other worker reconciles the frozen one's calls, and sends the messages
	// that Sinch does not have. Tasks that were dequeued and not begun have to wait.
	for _, id := range ids {
		s.awaitMessage(id, "end without the frozen worker", func(r resource) bool {
			return r.Status == "delivered" || (r.Status == "queued" && r.Attempts == 0)
		})
	}
	frozen.Thaw()
	for _, id := range ids {
		s.awaitStatus(id, "delivered")
		s.wantAccepted(id, 1)
	}
}

func TestMessagesSurviveACrashOfRedis(t *testing.T) {
	t.Parallel()
	// After a kill, everysec may lose acknowledged writes.
	s := start(t, over(batches), with("SINCH_TIMEOUT", "500ms"), redisWith("--appendfsync", "always"), patient())
	s.sim.SetDefault("slow:50ms")
	var ids []string
	for range 100 {
		ids = append(ids, s.send(message{}))
	}
	s.redis.Kill()
	s.redis.Restart()
	s.awaitUp()
	for _, id := range ids {
		s.awaitStatus(id, "delivered")
		s.wantAccepted(id, 1)
	}
}

func TestAcceptedMessagesSurviveTheAPI(t *testing.T) {
	t.Parallel()
	// Sinch gives a postback up after five attempts: they span the restarts of a busy machine.
	s := start(t, simulatorWith("--mms-retry-after", "10s"))
	var ids []string
	for range 5 {
		ids = append(ids, s.send(message{}))
		s.api.Kill()
		s.startAPI()
		s.awaitUp()
	}
	for _, id := range ids {
		s.awaitStatus(id, "delivered")
		s.wantAccepted(id, 1)
	}
}

func TestStoppedAPIAnswersItsRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.awaitStatus(s.send(message{}), "delivered")
	s.api.Signal(syscall.SIGTERM)
	if code := s.api.Wait(endsWithin); code != 0 {
		t.Errorf("the api ended with exit code %d", code)
	}
}
