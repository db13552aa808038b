package jobs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/jobs/recovery"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// lookupSinch is a Sinch whose lookups end with their context at the latest.
type lookupSinch struct {
	*fakeSinch

	find func(ctx context.Context, ref string) (string, bool, error)

	mu      sync.Mutex
	refs    []string // of the lookups
	running int
	most    int // concurrent lookups
}

func (f *lookupSinch) For(*message.Message) sinch.Provider { return f }

func (f *lookupSinch) Find(ctx context.Context, c sinch.Call) (string, bool, error) {
	f.mu.Lock()
	f.refs = append(f.refs, c.Ref)
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	return f.find(ctx, c.Ref)
}

// lookups returns the number of lookups, and the largest number of concurrent ones.
func (f *lookupSinch) lookups() (n, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.refs), f.most
}

func (b *bench) asking(find func(ctx context.Context, ref string) (string, bool, error)) *lookupSinch {
	f := &lookupSinch{fakeSinch: b.sinch, find: find}
	b.opts.Providers = f
	return f
}

func hang(ctx context.Context, _ string) (string, bool, error) {
	<-ctx.Done()
	return "", false, ctx.Err()
}

// unknown creates messages of unknown outcome, past their deadline.
func (b *bench) unknown(t *testing.T, n int) []*message.Message {
	t.Helper()
	messages := make([]*message.Message, n)
	for i := range messages {
		m := b.begin(t, -time.Minute)
		after, err := b.ledger.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
			return m.Conclude(1, message.Outcome{Kind: message.OutcomeUnknown}, message.Retry{}, now)
		})
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = after
	}
	eventually(t, func() bool { return b.due(t, ledger.Unknown) == n })
	return messages
}

// due is how many messages of a list are due.
func (b *bench) due(t *testing.T, list ledger.Queue) int {
	t.Helper()
	due, _, err := b.ledger.Due(t.Context(), list, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(due)
}

// While Sinch does not answer lookups, other messages are recovered.
func TestHangingLookupsDelayNoRecovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.asking(hang)
	b.unknown(t, 3*itemsAtOnce)
	b.run(t)
	eventually(t, func() bool { n, _ := f.lookups(); return n == itemsAtOnce })
	lost, called := b.accept(t), b.orphan(t)
	b.await(t, lost.ID, message.StatusSent)
	b.await(t, called.ID, message.StatusUnknown)
	if n, _ := f.lookups(); n != itemsAtOnce || b.metrics.of(recovery.TaskMissing) != 1 || b.metrics.of(recovery.WorkerLost) != 1 {
		t.Errorf("%d lookups, %d tasks made, %d calls of crashed workers", n, b.metrics.of(recovery.TaskMissing), b.metrics.of(recovery.WorkerLost))
	}
}

// Lookups are made up to the limit concurrently, and each of them once.
func TestLookupsShareTheirTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	many := make(chan struct{})
	all := sync.OnceFunc(func() { close(many) })
	var f *lookupSinch
	f = b.asking(func(ctx context.Context, _ string) (string, bool, error) {
		if _, most := f.lookups(); most == itemsAtOnce {
			all()
		}
		select {
		case <-many:
			return "B1", true, nil
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	})
	const calls = 5 * itemsAtOnce
	messages := b.unknown(t, calls)
	NewRunner(b.opts).sweeper.Reconcile(t.Context())
	b.awaitAll(t, messages, func(int) message.Status { return message.StatusSent })
	if n, most := f.lookups(); n != calls || most != itemsAtOnce || b.metrics.of(recovery.CallFound) != calls {
		t.Errorf("%d lookups, %d at once, %d recovered", n, most, b.metrics.of(recovery.CallFound))
	}
}

// After failures in a row the lookups end, and are made again later.
func TestSilentSinchIsNotQueried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.asking(func(context.Context, string) (string, bool, error) { return "", false, errors.New("HTTP 503") })
	b.unknown(t, 6*itemsAtOnce)
	NewRunner(b.opts).sweeper.Reconcile(t.Context())
	if n, _ := f.lookups(); n < failuresInARow || n >= failuresInARow+itemsAtOnce {
		t.Errorf("%d lookups", n)
	}
	if n := b.due(t, ledger.Unknown); n != 0 {
		t.Errorf("%d are still due", n)
	}
}

// A call that cannot be looked up does not prevent the lookups of others.
func TestOneFailedLookUpHindersNoOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	messages := b.unknown(t, 3*itemsAtOnce)
	bad := messages[0]
	b.asking(func(_ context.Context, ref string) (string, bool, error) {
		if ref == bad.ID.AttemptRef(1) {
			return "", false, errors.New("unreadable page")
		}
		return "B1", true, nil
	})
	NewRunner(b.opts).sweeper.Reconcile(t.Context())
	b.awaitAll(t, messages, func(i int) message.Status {
		if i == 0 {
			return message.StatusUnknown
		}
		return message.StatusSent
	})
}

// Two sweepers that look up the same calls count each recovery once.
func TestTwoSweepersCountOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	met := make(map[string]chan struct{}) // closed once both lookups have begun
	b.asking(func(ctx context.Context, ref string) (string, bool, error) {
		mu.Lock()
		both, second := met[ref]
		if second {
			close(both)
		} else {
			both = make(chan struct{})
			met[ref] = both
		}
		mu.Unlock()
		select {
		case <-both:
			return "B1", true, nil
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	})
	const calls = 3 * itemsAtOnce
	messages := b.unknown(t, calls)
	orphans := make([]*message.Message, calls)
	for i := range orphans {
		orphans[i] = b.orphan(t)
	}
	eventually(t, func() bool { return b.due(t, ledger.Calls) == calls })
	var sweepers sync.WaitGroup
	for range 2 {
		s := NewRunner(b.opts).sweeper
		sweepers.Go(func() {
			s.Reconcile(t.Context())
			b.round(t, s)
		})
	}
	sweepers.Wait()
	b.awaitAll(t, messages, all(message.StatusSent))
	b.awaitAll(t, orphans, all(message.StatusUnknown))
	if found, lost := b.metrics.of(recovery.CallFound), b.metrics.of(recovery.WorkerLost); found != calls || lost != calls {
		t.Errorf("%d found and %d lost, want %d of each", found, lost, calls)
	}
}
