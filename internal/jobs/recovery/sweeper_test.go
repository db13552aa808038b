package recovery

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/sinch"
)

// bench is a sweeper on a Redis of its own.
type bench struct {
	ledger  *ledger.Ledger
	sweeper *Sweeper
	kinds   map[string]int // recoveries
}

func (b *bench) Recovered(kind string) { b.kinds[kind]++ }
func (*bench) Swept(error)             {}

func (*bench) For(*message.Message) sinch.Provider { return nil }

func setup(t *testing.T) *bench {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{ledger: l, kinds: make(map[string]int)}
	b.sweeper = NewSweeper(Options{
		Redis: rdb, Ledger: l, Queue: queue.New(rdb, time.Second), Worker: dispatch.NewWorker(), Providers: b, Metrics: b, Log: zerolog.Nop(),
		Policy: Policy{LookupWindow: 50 * time.Millisecond},
	})
	return b
}

// begun is a message whose call was begun by a worker that is gone, and is over
// since a minute.
func (b *bench) begun(t *testing.T) *message.Message {
	t.Helper()
	m := b.accept(t)
	seen, err := b.ledger.Read(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := b.ledger.Begin(t.Context(), seen, func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{Worker: "dead", Deadline: now.Add(-time.Minute)}, now)
	}, ledger.Lease{Worker: "dead"})
	if err != nil {
		t.Fatal(err)
	}
	return begun.Message
}

func (b *bench) accept(t *testing.T) *message.Message {
	t.Helper()
	a, err := b.ledger.Accept(t.Context(), ledger.Request{
		Scope: message.Scope{Tenant: "shop"}, Content: message.Content{To: "+12065551212", Text: "hello", Priority: message.Normal},
		From: "+12065550000", Now: time.Now().UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Message
}

// A message that was sent, and its task done, between the sweeper's reading of the
// message and that of the task, is not recovered.
func TestSentMessageGetsNoTask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.begun(t)
	stale := *m
	stale.Status = message.StatusQueued
	if err := b.sweeper.checkWaiting(t.Context(), []*item{{due: ledger.Due{ID: m.ID}, message: &stale}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	state, err := b.sweeper.queue.State(t.Context(), queue.MessageTask(m))
	if err != nil || state != queue.StateMissing || b.kinds[TaskMissing] != 0 {
		t.Errorf("task in state %d, %v; %d recovered", state, err, b.kinds[TaskMissing])
	}
}

// Two sweepers that find the same task archived replace it once.
func TestTaskIsReplacedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	for range 2 {
		if err := b.sweeper.reissue(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	after, err := b.ledger.Get(t.Context(), m.ID)
	if err != nil || after.Status != message.StatusQueued || after.Task != 1 || b.kinds[TaskStuck] != 1 {
		t.Errorf("%+v, %v; %d recovered", after, err, b.kinds[TaskStuck])
	}
}

// The absence of a call counts from the begin of its lookup: the result may be
// applied later, for other messages of a multi-recipient send.
func TestAbsenceCountsFromTheLookup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m, err := b.ledger.Update(t.Context(), b.begun(t).ID, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeUnknown}, message.Retry{}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	for lookups, began := range []time.Time{m.Calls[0].Deadline.Add(-time.Second), time.Now()} {
		if _, err := b.sweeper.reconciler.apply(t.Context(), m.ID, 1, lookupResult{began: began}, time.Now()); err != nil {
			t.Fatal(err)
		}
		after, err := b.ledger.Get(t.Context(), m.ID)
		if err != nil || after.Calls[0].Lookups != lookups {
			t.Errorf("begun at %s: %d lookups, %v", began, after.Calls[0].Lookups, err)
		}
	}
}
