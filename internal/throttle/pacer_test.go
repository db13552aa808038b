package throttle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// grant is a number of tokens and when they were taken: Redis' clock ticked at
// some moment between before and after.
type grant struct {
	n             int
	before, after time.Duration
}

// recorder notes what a source grants.
type recorder struct {
	source
	begun time.Time

	mu     *sync.Mutex
	grants *[]grant
}

func (r recorder) take(ctx context.Context, n int, high bool) (int, time.Duration, error) {
	before := time.Since(r.begun)
	granted, wait, err := r.source.take(ctx, n, high)
	if granted > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		*r.grants = append(*r.grants, grant{granted, before, time.Since(r.begun)})
	}
	return granted, wait, err
}

// tooMany looks at every window between two grants, in which rate times its
// length and a burst may be granted, and returns the first that has more.
func tooMany(grants []grant, rate float64, burst int) string {
	const rounding = 0.01
	slices.SortFunc(grants, func(a, b grant) int { return cmp.Compare(a.before, b.before) })
	for i, first := range grants {
		sum, end := 0, time.Duration(0)
		for _, g := range grants[i:] {
			sum += g.n
			end = max(end, g.after)
			length := end - first.before
			if most := rate*length.Seconds() + float64(burst) + rounding; float64(sum) > most {
				return fmt.Sprintf("%d tokens within %s, want at most %.1f", sum, length, most)
			}
		}
	}
	return ""
}

func total(grants []grant) (n int) {
	for _, g := range grants {
		n += g.n
	}
	return n
}

func isUnavailable(err error) bool {
	denied, ok := errors.AsType[*DeniedError](err)
	return ok && denied.Cause == CauseUnavailable
}

type load struct {
	prefix        string
	rate          float64
	pacers, slots int
	length        time.Duration
}

// run keeps the slots of several processes waiting all the time.
func (l load) run(tb testing.TB, rdb redis.UniversalClient) []grant {
	tb.Helper()
	var (
		mu     sync.Mutex
		grants []grant
		wg     sync.WaitGroup
	)
	ctx, cancel := context.WithTimeout(tb.Context(), l.length)
	defer cancel()
	begun := time.Now()
	for range l.pacers {
		rec := recorder{source: newRedisSource(rdb, l.prefix, l.rate), begun: begun, mu: &mu, grants: &grants}
		p := newPacer(rec, PacerOptions{Rate: l.rate})
		for slot := range l.slots {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := p.Wait(ctx, message.Lanes()[slot%len(message.Lanes())]); isUnavailable(err) {
						tb.Errorf("wait: %v", err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(grants)
}

func TestPaceHoldsOverAllProcesses(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	rates := []float64{0.5, 3, 10, 19.9, 35.5, 100, 400}
	runs := 0
	property := func(rate, pacers, slots uint8) bool {
		runs++
		l := load{
			prefix: fmt.Sprintf("{%d}", runs), rate: rates[int(rate)%len(rates)],
			pacers: 1 + int(pacers)%4, slots: 1 + int(slots)%30, length: 300 * time.Millisecond,
		}
		excess := tooMany(l.run(t, rdb), l.rate, max(1, int(l.rate/burstPerSecond)))
		if excess != "" {
			t.Errorf("%+v: %s", l, excess)
		}
		return excess == ""
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 12}); err != nil {
		t.Error(err)
	}
}

func TestPaceIsUsedUp(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{10, 25, 300} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			l := load{prefix: DefaultPrefix, rate: rate, pacers: 3, slots: 20, length: 2 * time.Second}
			want := rate * l.length.Seconds()
			got := 0
			for range 3 { // a busy machine may miss a turn, not every time
				got = max(got, total(l.run(t, redistest.Shared(t).Client(t))))
				if float64(got) >= 0.8*want {
					return
				}
			}
			t.Errorf("%d tokens in %s, want about %.0f", got, l.length, want)
		})
	}
}

// The promise of the high lane: its call begins within two seconds however
// many bulk messages wait in however many processes. That nearly none of them
// goes before it shows that the others give way; by chance three would.
func TestHighIsNotHeldUpByOtherProcesses(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	const (
		rate      = 10
		processes = 4
		slots     = 50
		rounds    = 10
		promise   = 2 * time.Second
	)
	ctx, cancel := context.WithCancel(t.Context())
	var (
		wg     sync.WaitGroup
		pacers []*Pacer
		bulk   atomic.Int32
	)
	for range processes {
		p := NewPacer(rdb, PacerOptions{Rate: rate})
		pacers = append(pacers, p)
		for range slots {
			wg.Go(func() {
				for ctx.Err() == nil {
					if p.Wait(ctx, message.Bulk) == nil {
						bulk.Add(1)
					}
				}
			})
		}
	}
	var before int32 // bulk tokens given while high waited
	for round := range rounds {
		begun, given := time.Now(), bulk.Load()
		if err := pacers[round%processes].Wait(t.Context(), message.High); err != nil {
			t.Errorf("high: %v", err)
		}
		before += bulk.Load() - given
		if took := time.Since(begun); took > promise {
			t.Errorf("high waited %s, want at most %s", took, promise)
		}
	}
	cancel()
	wg.Wait()
	if before > rounds {
		t.Errorf("%d bulk messages went before %d high ones", before, rounds)
	}
}

func TestPacerWithoutPace(t *testing.T) {
	t.Parallel()
	p := NewPacer(redistest.Shared(t).Client(t), PacerOptions{})
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if err := p.Wait(t.Context(), message.Bulk); err != nil {
				t.Errorf("without a pace: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestPacerSaysThatRedisIsDown(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client := srv.Client(t)
	srv.Kill()
	for _, rate := range []float64{0, 10} {
		err := NewPacer(client, PacerOptions{Rate: rate}).Wait(t.Context(), message.Normal)
		if !isUnavailable(err) || errors.Unwrap(err) == nil {
			t.Errorf("rate %v: err = %v, want unavailable with its cause", rate, err)
		}
	}
}

func TestThrottledAnswersSlowAllProcessesDown(t *testing.T) {
	t.Parallel()
	for name, rdb := range map[string]redis.UniversalClient{
		"redis": redistest.Shared(t).Client(t), "miniredis": mini(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rate = 100
			here := NewPacer(rdb, PacerOptions{Rate: rate})
			there := newRedisSource(rdb, DefaultPrefix, rate)
			level := func() float64 {
				slow, err := readSlowness(t.Context(), rdb, there.keys)
				if err != nil {
					t.Fatal(err)
				}
				return slow.level
			}
			throttled(t, here, 3, 0)
			if got := level(); got != 0 {
				t.Errorf("level %v after three throttled answers, want 0", got)
			}
			throttled(t, here, 5, 0)
			if got := level(); got < 0.5 || got > 1 {
				t.Errorf("level %v, want just below one halving", got)
			}
			throttled(t, here, 100, 0)
			if got := level(); got > maxLevel || got < maxLevel-1 {
				t.Errorf("level %v, want about %d and no more", got, maxLevel)
			}
			if ttl := rdb.PTTL(t.Context(), there.keys.slow).Val(); ttl > maxLevel*recovery {
				t.Errorf("slow for %s, want at most %s", ttl, maxLevel*recovery)
			}
			const sixteenth = 16 * time.Second / rate
			if granted, wait, err := there.take(t.Context(), rate, false); err != nil || granted != rate/burstPerSecond ||
				wait < sixteenth*3/4 || wait > sixteenth {
				t.Errorf("%d tokens, %v, the next in %s at the highest level, want it in %s", granted, err, wait, sixteenth)
			}
		})
	}
}

func TestPaceCreepsUpAgain(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[time.Duration]float64{
		-2: 0, -1: 0, recovery / 2: 0.5, recovery: 1, 3 * recovery: 3, 100 * recovery: maxLevel,
	} {
		if got := levelOf(ttl); got != want {
			t.Errorf("level of %s = %v, want %v", ttl, got, want)
		}
	}
}

func TestRetryAfterStopsAllProcesses(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 100} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Shared(t).Client(t)
			here := NewPacer(rdb, PacerOptions{Rate: rate})
			there := NewPacer(rdb, PacerOptions{Rate: rate})
			const backoff = 600 * time.Millisecond
			begun := time.Now()
			throttled(t, here, 7, backoff)
			for _, p := range []*Pacer{here, there} {
				if err := p.Wait(t.Context(), message.High); err != nil {
					t.Errorf("waited for too long: %v", err)
				}
				if took := time.Since(begun); took < backoff {
					t.Errorf("a call began after %s, want %s", took, backoff)
				}
			}
		})
	}
}

func TestWithoutPaceThrottlingStopsCallsForAMoment(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	p := NewPacer(rdb, PacerOptions{})
	if err := p.Wait(t.Context(), message.Bulk); err != nil { // so that it relies on what it saw
		t.Fatal(err)
	}
	begun := time.Now()
	throttled(t, p, 7, 0)
	if err := p.Wait(t.Context(), message.Bulk); err != nil {
		t.Fatal(err)
	}
	const rounding = time.Millisecond // of the time Redis keeps a key
	if took := time.Since(begun); took < firstBackoff-rounding || took > DefaultMaxWait {
		t.Errorf("waited for %s, want about %s", took, firstBackoff)
	}
}

func TestPacerOnMiniredis(t *testing.T) {
	t.Parallel()
	l := load{prefix: DefaultPrefix, rate: 50, pacers: 2, slots: 10, length: time.Second}
	grants := l.run(t, mini(t))
	if excess := tooMany(grants, l.rate, 5); excess != "" {
		t.Error(excess)
	}
	if got := total(grants); got < 15 { // miniredis is slow on a busy machine
		t.Errorf("%d tokens in %s at %v a second", got, l.length, l.rate)
	}
}

func mini(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(tb).Addr()})
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func throttled(tb testing.TB, p *Pacer, times int, retryAfter time.Duration) {
	tb.Helper()
	for range times {
		if err := p.Throttled(tb.Context(), retryAfter, "429"); err != nil {
			tb.Fatal(err)
		}
	}
}
