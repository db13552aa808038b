package jobs

import (
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	k := newMemory()
	id := message.NewID(message.RandomIdentity(), time.Now())
	for n := range memoryMax + 10 {
		k.heard(ledger.Begin{Worker: "w", ID: id, N: n})
	}
	if calls := k.all(time.Now()); len(calls) != memoryMax || len(k.calls) != memoryMax || calls[0].attempt.N != 10 {
		t.Fatalf("%d calls, the first is %d", len(calls), calls[0].attempt.N)
	}
	if calls := k.all(time.Now().Add(memoryFor + time.Minute)); len(calls) != 0 || len(k.calls) != 0 {
		t.Fatalf("%d calls are remembered for ever", len(calls))
	}
}

func TestMemoryKeepsWhatItKnows(t *testing.T) {
	t.Parallel()
	k := newMemory()
	id := message.NewID(message.RandomIdentity(), time.Now())
	k.begun(id, message.Attempt{N: 1, Worker: "me", API: "mms"})
	k.heard(ledger.Begin{Worker: "me", ID: id, N: 1})
	k.concluded(id, 1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"})
	k.concluded(id, 2, message.Outcome{Kind: message.OutcomeAccepted})
	calls := k.all(time.Now())
	if len(calls) != 1 || calls[0].attempt.API != "mms" || calls[0].outcome == nil || calls[0].outcome.SinchID != "T" {
		t.Fatalf("%+v", calls)
	}
}

// TestHeartbeatOvertakenByABegin: a begin that is acknowledged while a heartbeat
// is on its way is no rollback.
func TestHeartbeatOvertakenByABegin(t *testing.T) {
	t.Parallel()
	w := NewWorker()
	w.heard(ledger.Begin{Worker: "other", Epoch: 7})
	before := w.Lease().Epoch
	w.heard(ledger.Begin{Worker: "other", Epoch: 9})
	if w.missesCalls(before, 8) || w.Lease().Epoch != 9 {
		t.Fatalf("lease %+v", w.Lease())
	}
	if !w.missesCalls(w.Lease().Epoch, 8) {
		t.Fatal("a rollback is not noticed")
	}
}
