package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/throttle"
)

// sender tries one message until it ends, and counts the pauses it causes.
type sender struct {
	gate   *throttle.Gate
	rounds *atomic.Int32
}

// refusedUntilAlone sends a message that draws account answers alone.
func (s sender) refusedUntilAlone(ctx context.Context, message, tenant string) error {
	for {
		permit, err := s.gate.Acquire(ctx, message, tenant)
		if _, denied := errors.AsType[*throttle.DeniedError](err); denied {
			continue
		}
		if err != nil {
			return err
		}
		verdict, err := s.gate.Refused(ctx, permit, "E107")
		if err != nil || verdict.Alone {
			return err
		}
		if verdict.Paused || permit.Probe {
			s.rounds.Add(1)
		}
		select {
		case <-time.After(verdict.RetryIn):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Thirty messages of one tenant whose content draws account answers alone pause
// the account once, or twice when one of them is the first probe. They all end.
func TestBadMessagesOfATenantDoNotPauseAnother(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		const bad, atMost = 30, 2
		gate := newGate(rdb, func(o *throttle.GateOptions) { o.Pause, o.MaxWait = time.Second, 2*time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), 6*enough)
		defer cancel()
		var rounds atomic.Int32
		var all, others sync.WaitGroup
		stop := make(chan struct{})
		others.Go(func() { sendOthers(ctx, t, gate, stop) })
		for i := range bad {
			all.Go(func() {
				if err := (sender{gate, &rounds}).refusedUntilAlone(ctx, fmt.Sprintf("bad-%d", i), "careless"); err != nil {
					t.Errorf("bad-%d never failed: %v", i, err)
				}
			})
		}
		all.Wait()
		close(stop)
		others.Wait()
		if n := rounds.Load(); n < 1 || n > atMost {
			t.Errorf("the account paused %d times, want at most %d", n, atMost)
		}
	})
}

// blame makes a tenant's messages refused while those of another pass.
func blame(t *testing.T, gate *throttle.Gate, tenant string) {
	t.Helper()
	first, err := gate.Acquire(t.Context(), "first", tenant)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, gate, first)
	passed(t, gate, acquireSoon(t, gate, "other"))
}

// A blamed tenant's refusals close the gate all the same when nothing passes
// between them, for then it may be the account.
func TestBlamedTenantStillNoticesAnOutage(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		blame(t, gate, "careless")
		for i := 1; ; i++ {
			permit, err := gate.Acquire(t.Context(), fmt.Sprintf("m%d", i), "careless")
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			verdict := refused(t, gate, permit)
			if verdict.Alone {
				t.Fatalf("message %d is called alone in an outage", i)
			}
			if verdict.Paused {
				if i <= 10 {
					t.Errorf("paused after %d refusals of a blamed tenant", i)
				}
				break
			}
			if i > 100 {
				t.Fatal("an outage is never noticed")
			}
		}
		mustBeClosed(t, gate, "m0")
	})
}

// What is held against one tenant does not excuse the account of another.
func TestRefusalOfAnotherTenantPauses(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		blame(t, gate, "careless")
		if verdict := refused(t, gate, mustAcquire(t, gate, "m1")); !verdict.Paused {
			t.Errorf("verdict = %+v, want a pause", verdict)
		}
	})
}

// After a false alarm the next message probes at once; a probe that is refused,
// too, brings the whole pause.
func TestFalseAlarmIsProbedAtOnce(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb, func(o *throttle.GateOptions) { o.Pause = time.Minute })
		quick := newGate(rdb)
		refused(t, quick, mustAcquire(t, quick, "bad"))
		passed(t, quick, acquireSoon(t, quick, "good"))
		if verdict := refused(t, gate, mustAcquire(t, gate, "bad-2")); !verdict.Paused {
			t.Fatalf("verdict = %+v, want a pause", verdict)
		}
		probe := acquireSoon(t, gate, "m1")
		if !probe.Probe {
			t.Fatal("m1 is no probe")
		}
		refused(t, gate, probe)
		if wait := mustBeClosed(t, gate, "m2"); wait < time.Minute/2 {
			t.Errorf("the account pauses for %s only", wait)
		}
	})
}
