package chaos_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// longCalls makes calls so long that a dead worker is noticed by its missing
// heartbeat, before the deadline of its call.
func longCalls() map[string]string {
	return map[string]string{"SINCH_TIMEOUT": "30s", "TASK_TIMEOUT": "40s", "SHUTDOWN_TIMEOUT": "35s", "LOOKUP_WINDOW": "1s"}
}

// TestWorkerKilledBetweenAcceptedAndRecorded kills the worker at the worst
// moment: Sinch has accepted the call, and the outcome is not recorded.
func TestWorkerKilledBetweenAcceptedAndRecorded(t *testing.T) {
	t.Parallel()
	for _, api := range []string{mms, batches} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, shape{api: api, apis: 1, workers: 1, env: longCalls()})
			m := newMessage("order-1", "normal")
			s.sim.ForNumber(m.To, 1, hanging())
			id := s.send(m)
			s.sim.AwaitCalls(id, 1)
			s.addWorker()
			s.awaitReady()

			s.workers[0].Kill()
			s.awaitStatus(id, 25*time.Second, "unknown") // before the call has run out of time
			if api == batches {
				r := s.awaitStatus(id, harness.Patience, "sent")
				if want := s.sim.Calls(id)[0].ID; r.SinchID == nil || *r.SinchID != want {
					t.Errorf("%s: want the sinchId %s", r, want)
				}
			}
			harness.WhileStable(t, "a single call", 3*time.Second, func() (bool, string) {
				calls := s.sim.Calls(id)
				return len(calls) == 1, fmt.Sprintf("%+v", calls)
			})
			s.sim.WantAccepted(id, 1)
		})
	}
}

// TestWorkerFrozenInACallCannotOverwrite freezes a worker until another one
// has reconciled its call and made the next one.
func TestWorkerFrozenInACallCannotOverwrite(t *testing.T) {
	t.Parallel()
	s := start(t, shape{api: batches, apis: 1, workers: 1, env: map[string]string{"LOOKUP_WINDOW": "300ms"}})
	m := newMessage("order-1", "normal")
	s.sim.ForNumber(m.To, 1, "hang_before")
	id := s.send(m)
	s.sim.AwaitCalls(id, 1)
	s.workers[0].Freeze()

	s.addWorker()
	before := s.awaitStatus(id, harness.Patience, "delivered")
	if before.Attempts != 2 {
		t.Errorf("%s, want 2 attempts", before)
	}
	s.workers[0].Thaw()
	s.awaitReady()
	harness.WhileStable(t, "the other worker's outcome", 4*time.Second, func() (bool, string) {
		r, err := s.get(t.Context(), s.apis[0], id)
		return err == nil && r.Status == "delivered" && r.Attempts == 2 && len(s.sim.Calls(id)) == 2, fmt.Sprint(r, err)
	})
	s.sim.WantAccepted(id, 1)
}

// TestWorkerFrozenBeforeItsCallCannotSend freezes a worker between the begin,
// which Redis has recorded, and the call, until the deadline has passed.
func TestWorkerFrozenBeforeItsCallCannotSend(t *testing.T) {
	t.Parallel()
	s := start(t, shape{api: mms, apis: 1, workers: 1})
	frozen := s.workers[0]
	// A first call, so that Redis has the script of the begin cached: else the link
	// would block its NOSCRIPT reply as well.
	s.awaitStatus(s.send(newMessage("order-0", "normal")), harness.Patience, "delivered")
	begun := freezeAtBegin(frozen, workerID(t, frozen))
	id := s.send(newMessage("order-1", "normal"))
	select {
	case <-begun:
	case <-time.After(harness.Patience):
		t.Fatal("no call was begun")
	}
	s.awaitStatus(id, harness.Patience, "sending")
	frozen.Freeze()
	frozen.toRedis.Repair() // the answer waits in the frozen worker's socket

	s.addWorker()
	s.awaitStatus(id, harness.Patience, "unknown")
	if calls := s.sim.Calls(id); len(calls) != 0 {
		t.Fatalf("Sinch was called by a frozen worker: %+v", calls)
	}
	frozen.Thaw()
	s.awaitReady()
	first := id + "-1"
	harness.WhileStable(t, "no late call", 5*time.Second, func() (bool, string) {
		calls := s.sim.Calls(id)
		late := slices.ContainsFunc(calls, func(c harness.SinchCall) bool { return c.Reference == first })
		return !late && len(calls) <= 1, fmt.Sprintf("%+v", calls)
	})
	// The worker detects that it has not sent, and another call sends the message.
	if r := s.awaitStatus(id, harness.Patience, "delivered"); len(s.sim.Calls(id)) != 1 {
		t.Errorf("%s, and Sinch saw %+v", r, s.sim.Calls(id))
	}
}

// workerID is the id that a worker logs at start.
func workerID(t *testing.T, p *process) string {
	t.Helper()
	for line := range strings.Lines(string(p.Log())) {
		var entry struct {
			Worker  string `json:"worker"`
			Message string `json:"message"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Worker != "" {
			return entry.Worker
		}
	}
	t.Fatalf("%s does not log its id:\n%s", p.Name, p.LastLines())
	return ""
}

// freezeAtBegin blocks all replies of Redis to a worker from the moment that it
// begins a call, and closes the channel then. A begin is the only command that has
// the worker's id as an argument of its own.
func freezeAtBegin(p *process, worker string) <-chan struct{} {
	mark := fmt.Sprintf("\r\n$%d\r\n%s\r\n", len(worker), worker)
	begun := make(chan struct{})
	var once sync.Once
	watch := func(chunk []byte) {
		if strings.Contains(string(chunk), mark) {
			once.Do(func() {
				p.toRedis.Silence()
				close(begun)
			})
		}
	}
	p.toRedis.Seen.Store(&watch)
	return begun
}
