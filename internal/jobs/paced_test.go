package jobs

import (
	"slices"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
)

type noMetrics struct{}

func (noMetrics) SetBreaker(bool) {}

// pacedBench is a bench with the real limiter, without a pace of the account, that
// records when calls begin.
type pacedBench struct {
	*bench

	mu    sync.Mutex
	begun []time.Time
}

func setupPaced(t *testing.T) *pacedBench {
	t.Helper()
	b := &pacedBench{bench: setup(t)}
	b.opts.Limiter = throttle.NewLimiter(b.rdb, throttle.Options{Gate: throttle.GateOptions{Account: "a"}, Metrics: noMetrics{}})
	b.sinch.answer = func(int, sinch.Message) message.Outcome {
		b.record()
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	return b
}

func (b *pacedBench) record() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = append(b.begun, time.Now())
}

// acceptPaced accepts a batch of n messages with a pace a second.
func (b *pacedBench) acceptPaced(t *testing.T, n int, perSecond int64) []*message.Message {
	t.Helper()
	batch, _, err := b.ledger.OpenBatch(t.Context(), ledger.BatchRequest{
		Scope: message.Scope{Tenant: "shop"}, Pace: perSecond * 1_000_000, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]ledger.Row, n)
	for i := range rows {
		rows[i] = ledger.Row{
			Content: message.Content{To: bulkNumber(i), Media: []string{"https://example.com/a.jpg"}, Priority: message.Bulk},
			From:    "+12065550000", Index: int64(i),
		}
	}
	results, err := b.ledger.AcceptRows(t.Context(), batch, rows)
	if err != nil {
		t.Fatal(err)
	}
	messages := make([]*message.Message, n)
	for i, r := range results {
		messages[i] = r.Message
	}
	if err := b.queue.DispatchMany(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	return messages
}

// The messages of a batch with a pace go out at it, each once, while a message behind
// them in their lane is sent at once.
func TestBatchKeepsItsPace(t *testing.T) {
	t.Parallel()
	b := setupPaced(t)
	b.run(t)
	const n, perSecond = 30, 5
	messages := b.acceptPaced(t, n, perSecond)
	other := b.accept(t, func(c *message.Content) { c.Priority = message.Bulk })
	b.dispatch(t, other)
	sent := b.await(t, other.ID, message.StatusSent)
	got := b.awaitAll(t, messages, all(message.StatusSent))
	slices.SortFunc(got, func(x, y *message.Message) int { return x.SentAt.Compare(y.SentAt) })
	if last := got[n-1].SentAt; !sent.SentAt.Before(last) {
		t.Errorf("the other message was sent at %s, the batch until %s", sent.SentAt, last)
	}
	for _, m := range got {
		if b.sinch.count(m.ID) != 1 || m.Tries != 0 {
			t.Errorf("%d calls: %+v", b.sinch.count(m.ID), m)
		}
	}
	begun := make([]time.Time, n)
	for i, m := range got {
		begun[i] = begunAt(m) // by Redis' clock, as the tokens
	}
	slices.SortFunc(begun, time.Time.Compare)
	if took, least := begun[n-1].Sub(begun[0]), (n-2)*time.Second/perSecond; took < least {
		t.Errorf("%d messages took %s at %d a second", n, took, perSecond)
	}
}

// A batch that is canceled leaves no parked task behind.
func TestCanceledBatchLeavesNoParkedTasks(t *testing.T) {
	t.Parallel()
	b := setupPaced(t)
	b.run(t)
	messages := b.acceptPaced(t, 20, 1)
	b.awaitPaced(t, 1)
	if _, err := b.ledger.CancelBatch(t.Context(), message.Scope{Tenant: "shop"}, messages[0].BatchID); err != nil {
		t.Fatal(err)
	}
	b.awaitPaced(t, 0)
}

// awaitPaced waits until so many batches have parked tasks.
func (b *pacedBench) awaitPaced(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		paced, err := b.queue.Paced(t.Context())
		if err == nil && len(paced) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, %v", paced, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}
