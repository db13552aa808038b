package throttle_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"mmsdispatch/internal/throttle"
)

const (
	failures = 3
	openFor  = 5 * time.Second
)

// inBubble runs a test on a clock of its own, with a breaker that opens after
// three failures. changes are the values passed to OnChange.
func inBubble(t *testing.T, test func(t *testing.T, b *throttle.Breaker, changes *[]bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var changes []bool
		test(t, throttle.NewBreaker(throttle.BreakerOptions{
			Failures: failures, OpenFor: openFor, Lease: time.Minute,
			OnChange: func(open bool) { changes = append(changes, open) },
		}), &changes)
	})
}

// acquire has to be possible at once.
func acquire(t *testing.T, b *throttle.Breaker) throttle.BreakerPermit {
	t.Helper()
	begin := time.Now()
	l, err := b.Acquire(t.Context())
	if err != nil || time.Since(begin) > 0 {
		t.Fatalf("held for %s, %v", time.Since(begin), err)
	}
	return l
}

func wantClosed(t *testing.T, err error, least, most time.Duration) {
	t.Helper()
	closed, ok := errors.AsType[*throttle.DeniedError](err)
	if !ok || closed.Cause != throttle.CauseUnreachable || closed.RetryIn < least || closed.RetryIn > most {
		t.Errorf("%v, want a call to be held back for %s to %s", err, least, most)
	}
}

func fail(t *testing.T, b *throttle.Breaker, n int) {
	t.Helper()
	for range n {
		acquire(t, b).Failed()
	}
}

func TestBreakerOpensAfterFailuresInARow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *throttle.Breaker, changes *[]bool) {
		for range 10 {
			fail(t, b, failures-1)
			acquire(t, b).Release() // shows nothing
			acquire(t, b).Answered()
		}
		fail(t, b, failures-1)
		acquire(t, b).Release()
		fail(t, b, 1)
		_, err := b.Acquire(t.Context())
		const left = openFor - throttle.DefaultMaxWait
		wantClosed(t, err, left, left+left/5)
		if !slices.Equal(*changes, []bool{true}) {
			t.Errorf("changes %v", *changes)
		}
	})
}

func TestBreakerCloses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *throttle.Breaker, changes *[]bool) {
		fail(t, b, failures)
		time.Sleep(openFor + time.Millisecond)
		probe := acquire(t, b)
		if !probe.Probe {
			t.Error("the call is no probe")
		}
		_, err := b.Acquire(t.Context())
		wantClosed(t, err, time.Second, 1200*time.Millisecond)
		probe.Answered()
		for range 2 * failures {
			if l := acquire(t, b); l.Probe {
				t.Error("a probe in good times")
			}
		}
		if !slices.Equal(*changes, []bool{true, false}) {
			t.Errorf("changes %v", *changes)
		}
	})
}

func TestBreakerOpensAgainWhenTheProbeFails(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *throttle.Breaker, changes *[]bool) {
		fail(t, b, failures)
		for range 5 {
			time.Sleep(openFor + time.Millisecond)
			acquire(t, b).Failed()
			_, err := b.Acquire(t.Context())
			wantClosed(t, err, time.Second, openFor)
		}
		if !slices.Equal(*changes, []bool{true}) {
			t.Errorf("changes %v", *changes)
		}
	})
}

// A probe that was not begun makes room for another, and so does one without
// a response.
func TestBreakerReplacesItsProbe(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *throttle.Breaker, _ *[]bool) {
		fail(t, b, failures)
		time.Sleep(openFor + time.Millisecond)
		acquire(t, b).Release()
		lost := acquire(t, b)
		time.Sleep(time.Minute + time.Millisecond)
		_, err := b.Acquire(t.Context())
		wantClosed(t, err, time.Second, openFor)
		time.Sleep(openFor)
		next := acquire(t, b)
		if !lost.Probe || !next.Probe {
			t.Errorf("%v and %v are probes", lost.Probe, next.Probe)
		}
		lost.Failed() // too late to matter
		next.Answered()
		acquire(t, b).Answered()
	})
}

// What was let in before does not begin after the breaker has opened, and what
// it comes to say then is not listened to.
func TestBreakerEndsPermits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *throttle.Breaker, _ *[]bool) {
		before, waiting := acquire(t, b), acquire(t, b)
		if err := b.Confirm(before); err != nil {
			t.Error(err)
		}
		fail(t, b, failures)
		wantClosed(t, b.Confirm(waiting), openFor, openFor+openFor/5)
		waiting.Release()
		time.Sleep(openFor + time.Millisecond)
		probe := acquire(t, b)
		before.Answered()
		if err := b.Confirm(probe); err != nil {
			t.Error(err)
		}
		_, err := b.Acquire(t.Context())
		wantClosed(t, err, time.Second, 1200*time.Millisecond)
		probe.Answered()
	})
}

// A caller is held for a moment and goes on when the breaker lets it.
func TestBreakerLetsACallerWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *throttle.Breaker, _ *[]bool) {
		fail(t, b, failures)
		time.Sleep(openFor - time.Second/2)
		begin := time.Now()
		l, err := b.Acquire(t.Context())
		if err != nil || !l.Probe || time.Since(begin) > throttle.DefaultMaxWait {
			t.Errorf("probe %v after %s, %v", l.Probe, time.Since(begin), err)
		}
		l.Failed()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		if _, err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("gave up after %s, %v", time.Since(begin), err)
		}
	})
}

func TestBreakerDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := throttle.NewBreaker(throttle.BreakerOptions{})
		fail(t, b, throttle.DefaultFailures-1)
		acquire(t, b).Failed()
		_, err := b.Acquire(t.Context())
		const left = throttle.DefaultOpenFor - throttle.DefaultMaxWait
		wantClosed(t, err, left, left+left/5)
	})
}

// While nothing is answered, no more calls begin than it takes to notice, plus
// those under way, plus a probe from time to time.
func TestBreakerBoundsTheCallsOfAnOutage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var (
			slots    = rapid.IntRange(1, 40).Draw(r, "slots")
			failures = rapid.Uint32Range(1, 120).Draw(r, "failures")
			openFor  = time.Duration(rapid.IntRange(1, 10).Draw(r, "openFor")) * time.Second
			outage   = time.Duration(rapid.IntRange(1, 120).Draw(r, "outage")) * time.Second
			// How long calls take, and what goes by between Acquire and Confirm.
			takes = rapid.SliceOfN(rapid.IntRange(0, 10_000), 1, 20).Draw(r, "takes")
			waits = rapid.SliceOfN(rapid.IntRange(0, 2_000), 1, 20).Draw(r, "waits")
		)
		var calls, atOnce, most atomic.Int64
		synctest.Test(t, func(t *testing.T) {
			b := throttle.NewBreaker(throttle.BreakerOptions{Failures: failures, OpenFor: openFor})
			ctx, cancel := context.WithTimeout(t.Context(), outage)
			defer cancel()
			var all sync.WaitGroup
			for slot := range slots {
				all.Go(func() {
					for i := slot; ctx.Err() == nil; i++ {
						l, err := b.Acquire(ctx)
						if closed, ok := errors.AsType[*throttle.DeniedError](err); ok {
							time.Sleep(closed.RetryIn)
						}
						if err != nil {
							continue
						}
						time.Sleep(time.Duration(waits[i%len(waits)]) * time.Millisecond)
						if b.Confirm(l) != nil {
							l.Release()
							continue
						}
						calls.Add(1)
						if l.Probe {
							most.Store(max(most.Load(), atOnce.Add(1)))
						}
						time.Sleep(time.Duration(1+takes[i%len(takes)]) * time.Millisecond)
						if l.Probe {
							atOnce.Add(-1)
						}
						l.Failed()
					}
				})
			}
			all.Wait()
		})
		probes := int64(outage/openFor) + 1
		if limit := int64(failures) + int64(slots) - 1 + probes; calls.Load() > limit {
			r.Fatalf("%d calls begun in %s, want %d at most", calls.Load(), outage, limit)
		}
		if most.Load() > 1 {
			r.Fatalf("%d probes at once", most.Load())
		}
	})
}
