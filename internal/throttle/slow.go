package throttle

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// strainWeight is how much the latest answer counts in the average, and
	// strainLimit the share of throttled answers above which it is not the
	// odd message but the pace: about seven in a row.
	strainWeight = 0.1
	strainLimit  = 0.5

	// maxLevel bounds the slowness: a sixteenth of the pace.
	maxLevel = 4
	// recovery is how long it takes to get one halving back.
	recovery = 5 * time.Second
	// firstBackoff takes the place of halving when there is no pace; it doubles
	// with the level.
	firstBackoff = 250 * time.Millisecond
	// maxBackoff bounds how long a Retry-After stops all calls; the message
	// itself can wait longer.
	maxBackoff = time.Minute
)

// strain is the share of throttled answers among the latest ones here.
type strain struct {
	mu    sync.Mutex
	share float64
}

// add counts an answer and reports whether the pace must become slower. After
// that it counts again from zero, for the answers of calls already under way
// show nothing about the slower pace.
func (s *strain) add(throttled bool) (tooFast bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.share *= 1 - strainWeight
	if throttled {
		s.share += strainWeight
	}
	if s.share <= strainLimit {
		return false
	}
	s.share = 0
	return true
}

// Answered reports that Sinch took the call or refused it for a reason of its
// own. It costs nothing.
func (p *Pacer) Answered() { p.strain.add(false) }

// Throttled reports that Sinch answered "too fast"; retryAfter is the time it
// asked for, or zero. A single such answer is the message's own matter. When
// most answers are like that, all processes slow down: the pace halves, up to a
// sixteenth, and comes back over seconds; without a pace all calls back off for
// a moment, and longer each time. A retryAfter then stops all calls as well, for
// a minute at most.
func (p *Pacer) Throttled(ctx context.Context, retryAfter time.Duration) error {
	if !p.strain.add(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := p.source.slow(ctx, min(retryAfter, maxBackoff)); err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

// levelOf is the level of slowness of a key that lives recovery for each
// halving: as it runs out, the pace creeps up by itself.
func levelOf(ttl time.Duration) float64 {
	return min(max(0, float64(ttl)/float64(recovery)), maxLevel)
}

// slow raises the level by one. Two processes that do it at the same moment
// raise it once, which is as well: they saw the same trouble.
func (s *redisSource) slow(ctx context.Context, backoff time.Duration) error {
	level, left, err := s.slowness(ctx)
	if err != nil {
		return err
	}
	level = min(level+1, maxLevel)
	if s.perSecond() == 0 {
		backoff = max(backoff, time.Duration(float64(firstBackoff)*math.Exp2(level-1)))
	}
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, s.keys.slow, 1, time.Duration(level*float64(recovery)))
		if backoff > left {
			p.Set(ctx, s.keys.backoff, 1, backoff)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("slow the pace down: %w", err)
	}
	s.clear.Store(nil)
	return nil
}

// slowness is the level, and how long calls still back off; negative: they do
// not.
func (s *redisSource) slowness(ctx context.Context) (level float64, backoff time.Duration, err error) {
	var slow, rest *redis.DurationCmd
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		slow, rest = p.PTTL(ctx, s.keys.slow), p.PTTL(ctx, s.keys.backoff)
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read the pace: %w", err)
	}
	return levelOf(slow.Val()), rest.Val(), nil
}
