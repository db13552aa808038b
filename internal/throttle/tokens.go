package throttle

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

const (
	// burstPerSecond is the part of a second's worth that may begin at once.
	burstPerSecond = 10

	// minAskInterval keeps a fast pace from becoming a question per token: at
	// 1000 a second ten tokens gather between two questions.
	minAskInterval = 10 * time.Millisecond
	// givingWay is how long others wait before they look again whether a high
	// waiter of another process was served.
	givingWay = 25 * time.Millisecond
	// maxAskInterval is how often a process with waiters asks at least. It
	// bounds markerTTL, and with it how long the marker of a process that died
	// holds the others back.
	maxAskInterval = 500 * time.Millisecond
	markerTTL      = 2 * maxAskInterval
	// stateFresh is for how long a process without a pace relies on having
	// seen no hold: about as long as a call that is under way anyway.
	stateFresh = 50 * time.Millisecond
)

//go:embed lua/yield.lua
var yieldSource string

// redisSource takes tokens from the GCRA of redis_rate.
//
// A process with a high waiter writes a marker before it asks. The others look
// for it before they ask for anything but the high lane, and give way while it
// stands: a high waiter competes with other high waiters only. The marker goes
// when its process has no high waiter left; it is advisory, so it may fail to
// be seen for one question of each process, and it expires by itself.
type redisSource struct {
	rdb     redis.UniversalClient
	limiter *redis_rate.Limiter
	yielder *redis.Script
	id      string // of this process, in the marker
	rate    float64
	burst   int
	keys    paceKeys
	marked  bool                      // used by the dispenser only, of which there is one
	clear   atomic.Pointer[time.Time] // when it was last seen that there is no hold
}

type paceKeys struct{ pace, high, slow, hold string }

func newRedisSource(rdb redis.UniversalClient, prefix string, rate float64) *redisSource {
	return &redisSource{
		rdb:     rdb,
		limiter: redis_rate.NewLimiter(rdb),
		yielder: redis.NewScript(yieldSource),
		id:      rand.Text(),
		rate:    rate,
		burst:   max(1, int(rate/burstPerSecond)),
		keys: paceKeys{
			pace: prefix + "pace", // redis_rate puts "rate:" before it
			high: prefix + "pace:high",
			slow: prefix + "pace:slow",
			hold: prefix + "pace:hold",
		},
	}
}

func (s *redisSource) take(ctx context.Context, n int, high bool) (granted int, wait time.Duration, err error) {
	paced := s.rate > 0
	if s.free() {
		return n, 0, nil
	}
	s.marked = s.marked || paced && high
	state, err := s.look(ctx, high)
	switch {
	case err != nil:
		return 0, 0, err
	case state.hold > 0:
		return 0, min(state.hold, maxAskInterval), nil
	case !paced:
		now := time.Now()
		s.clear.Store(&now)
		return n, 0, nil
	case state.giveWay:
		return 0, givingWay, nil
	}
	granted, wait, err = s.ask(ctx, min(n, s.burst), s.interval(state.level))
	return granted, min(max(wait, minAskInterval), maxAskInterval), err
}

func (s *redisSource) free() bool {
	seen := s.clear.Load()
	return s.rate <= 0 && seen != nil && time.Since(*seen) < stateFresh
}

// interval is the time between two calls at the given level of slowness.
func (s *redisSource) interval(level float64) time.Duration {
	return time.Duration(math.Ceil(math.Exp2(level) / s.rate * float64(time.Second)))
}

// ask takes up to n tokens. redis_rate gives n or none, and its AllowAtMost
// burns the fraction of a token that is left; but how long it says to wait for
// n tells how many are there.
func (s *redisSource) ask(ctx context.Context, n int, interval time.Duration) (int, time.Duration, error) {
	limit := redis_rate.Limit{Rate: 1, Period: interval, Burst: s.burst}
	var missing float64 // tokens
	for n > 0 {
		res, err := s.limiter.AllowN(ctx, s.keys.pace, limit, n)
		if err != nil {
			return 0, 0, fmt.Errorf("ask for the pace: %w", err)
		}
		if res.Allowed >= n {
			return n, 0, nil
		}
		missing = float64(res.RetryAfter) / float64(interval)
		there := int(float64(n) - missing)
		missing -= float64(n - 1) // to the first token
		n = min(there, n-1)
	}
	return 0, time.Duration(missing * float64(interval)), nil
}

func (s *redisSource) yield(ctx context.Context) error {
	if !s.marked {
		return nil
	}
	s.marked = false
	if err := s.yielder.Run(ctx, s.rdb, []string{s.keys.high}, s.id).Err(); err != nil {
		return fmt.Errorf("yield to other processes: %w", err)
	}
	return nil
}

// paceState is what the processes tell each other.
type paceState struct {
	giveWay bool          // another process has a high waiter
	level   float64       // by how many halvings the pace is slower
	hold    time.Duration // nobody begins before
}

// look reads the state, and leaves the marker if high.
func (s *redisSource) look(ctx context.Context, high bool) (paceState, error) {
	var (
		marker     *redis.StringCmd
		slow, hold *redis.DurationCmd
	)
	paced := s.rate > 0
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		slow, hold = p.PTTL(ctx, s.keys.slow), p.PTTL(ctx, s.keys.hold)
		switch {
		case paced && high:
			p.Set(ctx, s.keys.high, s.id, markerTTL)
		case paced:
			marker = p.Get(ctx, s.keys.high)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return paceState{}, fmt.Errorf("read the pace: %w", err)
	}
	return paceState{
		giveWay: marker != nil && marker.Val() != "",
		level:   levelOf(slow.Val()),
		hold:    max(hold.Val(), 0), // negative: there is no hold
	}, nil
}
