package throttle

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// burstPerSecond is the part of a second's worth that may begin at once.
	burstPerSecond = 10

	// minTakeInterval limits the queries at a fast pace: at 1000 a second one query
	// takes ten tokens.
	minTakeInterval = 10 * time.Millisecond
	// givingWay is the time after which others ask again whether a high waiter of
	// another process was served.
	givingWay = 25 * time.Millisecond
	// maxTakeInterval is the longest time between the queries of a process with
	// waiters. It bounds markerTTL, and with it the delay that the marker of a
	// killed process causes.
	maxTakeInterval = 500 * time.Millisecond
	markerTTL       = 2 * maxTakeInterval
	// stateFresh is the time for which a process without a pace relies on its last
	// reading without a backoff: about as long as a request that is under way
	// anyway.
	stateFresh = 50 * time.Millisecond
)

//go:embed lua/take.lua
var takeSource string

//go:embed lua/yield.lua
var yieldSource string

// redisSource takes tokens from a bucket (GCRA) in Redis.
//
// A process with a high waiter writes a marker before it takes tokens. The others
// check the marker before they take tokens for any other lane, and yield while it
// exists: a high waiter competes with other high waiters only. The marker is
// removed when its process has no high waiter left; it is advisory: each process
// may miss it for one query, and it expires by itself.
type redisSource struct {
	rdb     redis.UniversalClient
	taker   *redis.Script
	yielder *redis.Script
	id      string // of this process, in the marker
	rate    float64
	burst   int
	keys    paceKeys
	marked  bool                      // used by the dispenser only, of which there is one
	full    atomic.Int64              // µs a token at the full pace in force; 0: there is no pace
	clear   atomic.Pointer[time.Time] // when it was last seen that there is no backoff
}

type paceKeys struct{ pace, high, slow, backoff, set string }

func keysOf(prefix string) paceKeys {
	return paceKeys{
		pace:    prefix + "pace",
		high:    prefix + "pace:high",
		slow:    prefix + "pace:slow",
		backoff: prefix + "pace:backoff",
		set:     rateKey(prefix),
	}
}

// sender is the pace of a sender.
func (k paceKeys) sender(sender string) string { return k.pace + ":sender:" + sender }

func reservedKey(pace string) string { return pace + ":reserved" }
func freedKey(pace string) string    { return pace + ":freed" }

func newRedisSource(rdb redis.UniversalClient, prefix string, rate float64) *redisSource {
	s := &redisSource{
		rdb:     rdb,
		taker:   redis.NewScript(takeSource),
		yielder: redis.NewScript(yieldSource),
		id:      rand.Text(),
		rate:    rate,
		burst:   max(1, int(rate/burstPerSecond)),
		keys:    keysOf(prefix),
	}
	s.full.Store(s.interval().Microseconds())
	return s
}

// perSecond is the full pace in force, as last read; 0: there is none.
func (s *redisSource) perSecond() float64 {
	full := s.full.Load()
	if full == 0 {
		return 0
	}
	return float64(time.Second/time.Microsecond) / float64(full)
}

func (s *redisSource) take(ctx context.Context, n int, high bool) (granted int, wait time.Duration, err error) {
	if s.free() {
		return n, 0, nil
	}
	reply, err := s.run(ctx, n, high)
	if err != nil {
		return 0, 0, err
	}
	s.marked = s.marked || reply.paced && high
	switch {
	case reply.giveWay:
		return 0, givingWay, nil
	case !reply.paced && reply.granted > 0:
		now := time.Now()
		s.clear.Store(&now)
		return reply.granted, 0, nil
	default:
		return reply.granted, min(max(reply.wait, minTakeInterval), maxTakeInterval), nil
	}
}

// taken is the reply of lua/take.lua.
type taken struct {
	granted int
	wait    time.Duration // for the next token
	giveWay bool          // another process has a high waiter
	paced   bool
}

func (s *redisSource) run(ctx context.Context, n int, high bool) (taken, error) {
	reply, _, err := s.call(ctx, []string{s.keys.pace, s.keys.high, s.keys.slow, s.keys.backoff, s.keys.set}, n, high, []any{0})
	return reply, err
}

// call runs the script. limits are its arguments about senders and runs, whose part
// of the reply is returned as it is.
func (s *redisSource) call(ctx context.Context, keys []string, n int, high bool, limits []any) (taken, []int64, error) {
	args := append([]any{
		n, s.interval().Microseconds(), s.burst, truth(high), s.id, markerTTL.Milliseconds(), recovery.Milliseconds(), maxLevel,
		burstPerSecond,
	}, limits...)
	reply, err := s.taker.Run(ctx, s.rdb, keys, args...).Int64Slice()
	if err != nil {
		return taken{}, nil, fmt.Errorf("take from the pace: %w", err)
	}
	const fixed = 4
	s.full.Store(reply[3])
	return taken{
		granted: int(reply[0]), wait: time.Duration(reply[1]) * time.Microsecond, giveWay: reply[2] == 1, paced: reply[3] > 0,
	}, reply[fixed:], nil
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *redisSource) free() bool {
	seen := s.clear.Load()
	return seen != nil && time.Since(*seen) < stateFresh
}

// interval is the time between two calls at the configured pace; 0: there is
// none.
func (s *redisSource) interval() time.Duration {
	return time.Duration(microsPerToken(s.rate)) * time.Microsecond
}

// microsPerToken is the time between two tokens at a pace; 0: there is none.
func microsPerToken(rate float64) int64 {
	if rate <= 0 {
		return 0
	}
	return int64(math.Ceil(float64(time.Second/time.Microsecond) / rate))
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
