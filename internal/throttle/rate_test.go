package throttle

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// A pace that an operator sets holds for all processes with the next tokens, and
// so does its end; also where SINCH_RATE is off.
func TestRateIsChangedAtRunTime(t *testing.T) {
	t.Parallel()
	for name, rdb := range map[string]redis.UniversalClient{"redis": redistest.Shared(t).Client(t), "miniredis": mini(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			sources := []*redisSource{newRedisSource(rdb, DefaultPrefix, 1000), newRedisSource(rdb, DefaultPrefix, 0)}
			take := func(s *redisSource) (int, time.Duration) {
				t.Helper()
				s.clear.Store(nil) // as after stateFresh
				granted, wait, err := s.take(ctx, 100, false)
				if err != nil {
					t.Fatal(err)
				}
				return granted, wait
			}
			if n, _ := take(sources[1]); n != 100 {
				t.Errorf("%d tokens without a pace", n)
			}
			since := time.Now().Truncate(time.Millisecond)
			want := Rate{PerSecond: 0.5, Reason: "trial", Actor: "ann", Since: since}
			if err := SetRate(ctx, rdb, "", want); err != nil {
				t.Fatal(err)
			}
			first, _ := take(sources[0])
			second, wait := take(sources[1])
			if first != 1 || second != 0 || wait != maxTakeInterval {
				t.Errorf("%d and %d tokens at 0.5 a second, the next question in %s", first, second, wait)
			}
			if got := sources[1].perSecond(); got != want.PerSecond {
				t.Errorf("pace %v, want %v", got, want.PerSecond)
			}
			if got, err := CurrentRate(ctx, rdb, ""); err != nil || *got != want {
				t.Errorf("rate %+v, %v", got, err)
			}
			if err := ResetRate(ctx, rdb, ""); err != nil {
				t.Fatal(err)
			}
			if n, _ := take(sources[1]); n != 100 {
				t.Errorf("%d tokens after the reset", n)
			}
			if got, err := CurrentRate(ctx, rdb, ""); err != nil || got != nil {
				t.Errorf("rate %+v, %v after the reset", got, err)
			}
		})
	}
}

func TestRateHasBounds(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	for _, perSecond := range []float64{-1, 0.0001, 1_000_001, math.NaN(), math.Inf(1)} {
		if err := SetRate(t.Context(), rdb, "", Rate{PerSecond: perSecond}); !errors.Is(err, ErrRate) {
			t.Errorf("%v: %v, want ErrRate", perSecond, err)
		}
	}
}

// paceModel is what the pace may grant: a burst, and the rate since then.
type paceModel struct {
	rate   float64
	burst  int
	since  time.Time // of a bucket that is full at most
	tokens int       // granted since
}

func (m paceModel) most(now time.Time) float64 {
	const rounding = 0.01
	return float64(m.burst) + m.rate*now.Sub(m.since).Seconds() + rounding
}

// For any sequence of requests, also with a clock that goes backwards, a
// Redis that is replaced and a pace that changes: no more is granted than the
// model allows, and the next token comes when the reply says so.
func TestPaceAgainstAModel(t *testing.T) {
	t.Parallel()
	srv := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: srv.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	rapid.Check(t, func(rt *rapid.T) {
		srv.FlushAll()
		ctx := context.Background()
		now := time.Unix(1_800_000_000, 0)
		rates := rapid.SampledFrom([]float64{0.5, 0.83, 2.5, 10, 19.9, 50, 400, 3000})
		rate := rates.Draw(rt, "rate")
		source := newRedisSource(rdb, DefaultPrefix, rate)
		fresh := func() paceModel { return paceModel{rate: rate, burst: max(1, int(rate/burstPerSecond)), since: now} }
		model := fresh()
		take := func(n int) (int, time.Duration) {
			srv.SetTime(now)
			reply, err := source.run(ctx, n, false)
			if err != nil {
				rt.Fatal(err)
			}
			model.tokens += reply.granted
			if float64(model.tokens) > model.most(now) {
				rt.Fatalf("%d tokens in %s at %v a second, want at most %.2f", model.tokens, now.Sub(model.since), rate, model.most(now))
			}
			return reply.granted, reply.wait
		}
		rt.Repeat(map[string]func(*rapid.T){
			"time passes": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 3_000_000).Draw(rt, "µs")) * time.Microsecond)
			},
			"clock goes backwards": func(rt *rapid.T) {
				now = now.Add(-time.Duration(rapid.IntRange(1, 7200).Draw(rt, "s")) * time.Second)
				model = fresh() // the bucket may be full, never fuller
			},
			"Redis is replaced": func(*rapid.T) { srv.FlushAll(); rate = source.rate; model = fresh() },
			"pace changes": func(rt *rapid.T) {
				rate = rates.Draw(rt, "new rate")
				if err := SetRate(ctx, rdb, "", Rate{PerSecond: rate}); err != nil {
					rt.Fatal(err)
				}
				model = fresh()
			},
			"take": func(rt *rapid.T) {
				n := rapid.IntRange(1, 400).Draw(rt, "n")
				granted, wait := take(n)
				if granted == n {
					return
				}
				interval := time.Duration(float64(time.Second)/rate) + 2*time.Microsecond
				if wait <= 0 || wait > interval {
					rt.Fatalf("%d of %d tokens, the next in %s at %v a second", granted, n, wait, rate)
				}
				now = now.Add(wait)
				if again, _ := take(1); again != 1 {
					rt.Fatalf("no token after the replied wait of %s", wait)
				}
			},
		})
	})
}

// A waiter is sent away for as long as the pace in force needs, not the configured.
func TestRetryInFollowsTheRate(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	p := NewPacer(rdb, PacerOptions{Rate: 1000})
	if err := SetRate(t.Context(), rdb, "", Rate{PerSecond: 1}); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context(), message.Bulk); err != nil {
		t.Fatal(err)
	}
	if in := p.retryIn(9); in < 10*time.Second {
		t.Errorf("retry in %s with nine ahead at one a second", in)
	}
}
