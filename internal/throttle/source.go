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

	// minTakeInterval keeps a fast pace from becoming a question per token: at
	// 1000 a second ten tokens gather between two questions.
	minTakeInterval = 10 * time.Millisecond
	// givingWay is how long others wait before they ask again whether a high
	// waiter of another process was served.
	givingWay = 25 * time.Millisecond
	// maxTakeInterval is how often a process with waiters asks at least. It
	// bounds markerTTL, and with it how long the marker of a process that died
	// delays the others.
	maxTakeInterval = 500 * time.Millisecond
	markerTTL       = 2 * maxTakeInterval
	// stateFresh is for how long a process without a pace relies on having
	// seen no backoff: about as long as a call that is under way anyway.
	stateFresh = 50 * time.Millisecond
)

//go:embed lua/take.lua
var takeSource string

//go:embed lua/yield.lua
var yieldSource string

// redisSource takes tokens from a bucket (GCRA) in Redis.
//
// A process with a high waiter writes a marker before it asks. The others look
// for it before they take tokens for anything but the high lane, and give way
// while it stands: a high waiter competes with other high waiters only. The
// marker goes when its process has no high waiter left; it is advisory, so it
// may fail to be seen for one question of each process, and it expires by
// itself.
type redisSource struct {
	rdb     redis.UniversalClient
	taker   *redis.Script
	yielder *redis.Script
	id      string // of this process, in the marker
	rate    float64
	burst   int
	keys    paceKeys
	marked  bool                      // used by the dispenser only, of which there is one
	clear   atomic.Pointer[time.Time] // when it was last seen that there is no backoff
}

type paceKeys struct{ pace, high, slow, backoff string }

func newRedisSource(rdb redis.UniversalClient, prefix string, rate float64) *redisSource {
	return &redisSource{
		rdb:     rdb,
		taker:   redis.NewScript(takeSource),
		yielder: redis.NewScript(yieldSource),
		id:      rand.Text(),
		rate:    rate,
		burst:   max(1, int(rate/burstPerSecond)),
		keys: paceKeys{
			pace:    prefix + "pace",
			high:    prefix + "pace:high",
			slow:    prefix + "pace:slow",
			backoff: prefix + "pace:backoff",
		},
	}
}

func (s *redisSource) take(ctx context.Context, n int, high bool) (granted int, wait time.Duration, err error) {
	if s.free() {
		return n, 0, nil
	}
	paced := s.rate > 0
	s.marked = s.marked || paced && high
	reply, err := s.taker.Run(ctx, s.rdb, []string{s.keys.pace, s.keys.high, s.keys.slow, s.keys.backoff},
		n, s.interval().Microseconds(), s.burst, truth(high), s.id, markerTTL.Milliseconds(), recovery.Milliseconds(), maxLevel,
	).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("take from the pace: %w", err)
	}
	granted, wait = int(reply[0]), time.Duration(reply[1])*time.Microsecond
	switch {
	case reply[2] == 1:
		return 0, givingWay, nil
	case !paced && granted > 0:
		now := time.Now()
		s.clear.Store(&now)
		return granted, 0, nil
	default:
		return granted, min(max(wait, minTakeInterval), maxTakeInterval), nil
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *redisSource) free() bool {
	seen := s.clear.Load()
	return s.rate <= 0 && seen != nil && time.Since(*seen) < stateFresh
}

// interval is the time between two calls at full pace; 0: there is no pace.
func (s *redisSource) interval() time.Duration {
	if s.rate <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(float64(time.Second/time.Microsecond)/s.rate)) * time.Microsecond
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
