package throttle

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"mmsdispatch/internal/message"
)

// fakeSource grants a configured number of tokens, in fake time.
type fakeSource struct {
	mu       sync.Mutex
	tokens   int
	refill   time.Duration // a token each; 0: never
	err      error
	requests []bool // high or not
	yielded  int
	marked   bool
}

func (f *fakeSource) take(_ context.Context, n int, high bool) (int, time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, high)
	f.marked = f.marked || high
	if f.err != nil {
		return 0, 0, f.err
	}
	granted := min(n, f.tokens)
	f.tokens -= granted
	if granted == n {
		return granted, 0, nil
	}
	if f.refill > 0 {
		f.tokens++ // for the next question
		return granted, f.refill, nil
	}
	return granted, time.Hour, nil
}

func (f *fakeSource) free() bool { return false }

func (f *fakeSource) perSecond() float64 { return 10 }

func (f *fakeSource) yield(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.marked {
		f.yielded++
		f.marked = false
	}
	return nil
}

func (f *fakeSource) slow(context.Context, time.Duration, string) error { return nil }

// requestCount is the number of requests.
func (f *fakeSource) requestCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// marker returns how often the marker was removed, and whether it is set.
func (f *fakeSource) marker() (yielded int, stands bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.yielded, f.marked
}

// fail makes every question fail; nil: none any more.
func (f *fakeSource) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeSource) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens += n
}

// crowd starts waiters and collects the order in which they are served.
type crowd struct {
	pacer  *Pacer
	mu     sync.Mutex
	served []message.Lane
	failed []error
	wg     sync.WaitGroup
}

func (c *crowd) join(ctx context.Context, lanes ...message.Lane) {
	for _, lane := range lanes {
		c.wg.Go(func() {
			err := c.pacer.Wait(ctx, lane)
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil {
				c.failed = append(c.failed, err)
				return
			}
			c.served = append(c.served, lane)
		})
		synctest.Wait() // so that they queue in this order
	}
}

// finish waits for all waiters, and in fake time for the dispenser to see that
// none is left.
func (c *crowd) finish() {
	c.wg.Wait()
	<-time.After(time.Second)
}

func (c *crowd) order() []message.Lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.served)
}

func TestHighIsServedFirstAndBulkIsNotStarved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{refill: 10 * time.Millisecond}
		c := &crowd{pacer: newPacer(src, PacerOptions{Rate: 100})}
		lanes := slices.Repeat([]message.Lane{message.Bulk}, 3)
		lanes = append(lanes, slices.Repeat([]message.Lane{message.Normal}, 9)...)
		c.join(t.Context(), append(lanes, message.High, message.High)...)
		c.finish()
		threeToOne := []message.Lane{message.Normal, message.Normal, message.Normal, message.Bulk}
		want := append([]message.Lane{message.High, message.High}, slices.Repeat(threeToOne, 3)...)
		if got := c.order(); !slices.Equal(got, want) {
			t.Errorf("served %v, want %v", got, want)
		}
		synctest.Wait()
		if yielded, stands := src.marker(); yielded == 0 || stands {
			t.Errorf("the marker was taken away %d times, stands: %v", yielded, stands)
		}
	})
}

// However the waiters come, a high one is never behind another, a bulk one is
// behind at most normalPerBulk normal ones at a time, and none is lost.
func TestServingOrderProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lanes := rapid.SliceOfN(rapid.SampledFrom([]message.Lane{message.High, message.Normal, message.Bulk}), 1, 40).Draw(rt, "lanes")
		p := &Pacer{lanes: make(map[message.Lane][]*waiter)}
		for _, lane := range lanes {
			p.lanes[lane] = append(p.lanes[lane], &waiter{lane: lane, done: make(chan error, 1)})
		}
		streak := 0
		for p.waiting() > 0 {
			high, bulk, before := len(p.lanes[message.High]), len(p.lanes[message.Bulk]), p.waiting()
			highest := maps.Clone(p.lanes)
			p.grant(1)
			if p.waiting() != before-1 {
				rt.Fatalf("%d waiting after one of %d was served", p.waiting(), before)
			}
			switch {
			case len(p.lanes[message.High]) < high:
				continue
			case high > 0:
				rt.Fatalf("served another lane while high was waiting: %v", highest)
			case len(p.lanes[message.Bulk]) < bulk:
				streak = 0
			case bulk > 0:
				if streak++; streak > normalPerBulk {
					rt.Fatalf("%d normal ones in a row before bulk", streak)
				}
			}
		}
	})
}

func TestWaitGivesUpAfterMaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(&fakeSource{}, PacerOptions{Rate: 10})
		begun := time.Now()
		err := p.Wait(t.Context(), message.Bulk)
		wait, ok := errors.AsType[*DeniedError](err)
		if !ok || wait.Cause != CausePace {
			t.Fatalf("err = %v, want the pace", err)
		}
		if took := time.Since(begun); took != DefaultMaxWait {
			t.Errorf("waited for %s, want %s", took, DefaultMaxWait)
		}
		if wait.RetryIn < minRetryIn || wait.RetryIn > 2*minRetryIn {
			t.Errorf("retry in %s without other waiters", wait.RetryIn)
		}
	})
}

// Extend takes the tokens granted until its context ends, and leaves no waiter behind.
func TestExtendTakesWhatThereIs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		source *fakeSource
		ask    int
		want   int
	}{
		"all":        {&fakeSource{tokens: 1000}, 999, 999},
		"some":       {&fakeSource{tokens: 7}, 999, 7},
		"as it goes": {&fakeSource{refill: 100 * time.Millisecond}, 999, 10},
		"none":       {&fakeSource{}, 999, 0},
		"no more":    {&fakeSource{tokens: 5}, 0, 0},
		"Redis down": {&fakeSource{tokens: 5, err: errors.New("down")}, 5, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(tc.source, PacerOptions{Rate: 10})
				ctx, cancel := context.WithTimeout(t.Context(), 1050*time.Millisecond)
				defer cancel()
				if got := p.Extend(ctx, message.Bulk, tc.ask); got != tc.want {
					t.Errorf("got %d tokens, want %d", got, tc.want)
				}
				synctest.Wait()
				if n := p.waiting(); n != 0 || p.dispensing {
					t.Errorf("%d still wait", n)
				}
			})
		})
	}
}

func TestThoseSentAwaySpreadOut(t *testing.T) {
	t.Parallel()
	p := newPacer(&fakeSource{}, PacerOptions{Rate: 10})
	for ahead, want := range map[int]time.Duration{0: minRetryIn, 49: 5 * time.Second, 100_000: maxRetryIn} {
		got := p.retryIn(ahead)
		if got < want || got > want+want/4 {
			t.Errorf("with %d ahead retry in %s, want about %s", ahead, got, want)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		p := newPacer(src, PacerOptions{Rate: 10})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := p.Wait(ctx, message.Normal); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		requests := src.requestCount()
		if err := p.Wait(ctx, message.Normal); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("second: err = %v", err)
		}
		synctest.Wait()
		if src.requestCount() != requests {
			t.Error("took a token for a waiter that had given up before")
		}
	})
}

func TestFailureReachesEveryWaiterAndIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("connection refused")
		src := &fakeSource{err: cause}
		c := &crowd{pacer: newPacer(src, PacerOptions{Rate: 10})}
		c.join(t.Context(), message.High, message.Normal, message.Bulk)
		c.finish()
		if len(c.failed) != 3 {
			t.Fatalf("%d of 3 waiters got the error", len(c.failed))
		}
		for _, err := range c.failed {
			if denied, ok := errors.AsType[*DeniedError](err); !ok || denied.Cause != CauseUnavailable || !errors.Is(err, cause) {
				t.Errorf("err = %v, want unavailable because of the cause", err)
			}
		}
		src.fail(nil)
		src.add(1)
		if err := c.pacer.Wait(t.Context(), message.Bulk); err != nil {
			t.Errorf("after Redis came back: %v", err)
		}
	})
}

// A high message that comes while bulk sleeps until the next token is requests
// for at once, since the other processes have to see the marker.
func TestHighWakesTheDispenser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		c := &crowd{pacer: newPacer(src, PacerOptions{Rate: 10})}
		c.join(t.Context(), message.Bulk)
		src.add(1)
		begun := time.Now()
		c.join(t.Context(), message.High)
		if got := c.order(); !slices.Equal(got, []message.Lane{message.High}) {
			t.Errorf("served %v, want high alone", got)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("high waited %s for the sleeping dispenser", took)
		}
		c.finish()
		if len(c.failed) != 1 {
			t.Errorf("failures %v, want bulk's", c.failed)
		}
	})
}

func TestFewQuestionsForManyWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{refill: 100 * time.Millisecond}
		c := &crowd{pacer: newPacer(src, PacerOptions{Rate: 10})}
		for range 200 {
			c.wg.Go(func() { _ = c.pacer.Wait(t.Context(), message.Bulk) })
		}
		c.finish()
		if n := src.requestCount(); n > 25 {
			t.Errorf("%d questions in 2 s at 10 a second, want about 20", n)
		}
	})
}

func TestLoneThrottledAnswersAreNotStrain(t *testing.T) {
	t.Parallel()
	var s strain
	for i := range 1000 {
		if s.add(i%5 == 0) {
			t.Fatalf("one throttled answer in five is called too fast, at answer %d", i)
		}
	}
}

func TestManyThrottledAnswersAreStrain(t *testing.T) {
	t.Parallel()
	var s strain
	answers := func() int {
		for n := 1; n < 100; n++ {
			if s.add(true) {
				return n
			}
		}
		return 0
	}
	const want = 7
	if first := answers(); first != want {
		t.Errorf("too fast after %d throttled answers, want %d", first, want)
	}
	if second := answers(); second != want {
		t.Errorf("too fast again after %d more, want %d", second, want)
	}
}
