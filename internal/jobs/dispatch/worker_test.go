package dispatch

import (
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func TestCallCacheIsBounded(t *testing.T) {
	t.Parallel()
	k := newCallCache()
	id := message.NewID(message.RandomIdentity(), time.Now())
	for n := range callsMax + 10 {
		k.onBegin(ledger.Begin{Worker: "w", ID: id, N: n})
	}
	if calls := k.all(time.Now()); len(calls) != callsMax || len(k.calls) != callsMax || calls[0].Attempt.N != 10 {
		t.Fatalf("%d calls, the first is %d", len(calls), calls[0].Attempt.N)
	}
	if calls := k.all(time.Now().Add(callsFor + time.Minute)); len(calls) != 0 || len(k.calls) != 0 {
		t.Fatalf("%d calls are kept for ever", len(calls))
	}
}

func TestCallCacheKeepsOutcomes(t *testing.T) {
	t.Parallel()
	k := newCallCache()
	id := message.NewID(message.RandomIdentity(), time.Now())
	k.put(Call{ID: id, Attempt: message.Attempt{N: 1, Worker: "me", API: "mms"}, SeenAt: time.Now()})
	k.onBegin(ledger.Begin{Worker: "me", ID: id, N: 1})
	k.concluded(id, 1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"})
	k.concluded(id, 2, message.Outcome{Kind: message.OutcomeAccepted})
	calls := k.all(time.Now())
	if len(calls) != 1 || calls[0].Attempt.API != "mms" || calls[0].Outcome == nil || calls[0].Outcome.SinchID != "T" {
		t.Fatalf("%+v", calls)
	}
}

// TestHeartbeatOvertakenByABegin: a begin that is acknowledged while a heartbeat
// is on its way is no rollback.
func TestHeartbeatOvertakenByABegin(t *testing.T) {
	t.Parallel()
	w := NewWorker()
	w.OnBegin(ledger.Begin{Worker: "other", Epoch: 7})
	before := w.Lease().Epoch
	w.OnBegin(ledger.Begin{Worker: "other", Epoch: 9})
	if w.RolledBack(before, 8) || w.Lease().Epoch != 9 {
		t.Fatalf("lease %+v", w.Lease())
	}
	if !w.RolledBack(w.Lease().Epoch, 8) {
		t.Fatal("a rollback is not noticed")
	}
}
