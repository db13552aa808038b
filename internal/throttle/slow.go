package throttle

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// strainWeight is the weight of the latest response in the average, and
	// strainLimit the share of throttled responses above which the pace is too fast:
	// about seven in a row.
	strainWeight = 0.1
	strainLimit  = 0.5

	// maxLevel bounds the slowness: a sixteenth of the pace.
	maxLevel = 4
	// recovery is the time in which one halving is undone.
	recovery = 5 * time.Second
	// firstBackoff replaces the halving when there is no pace; it doubles with the
	// level.
	firstBackoff = 250 * time.Millisecond
	// maxBackoff bounds the time for which a Retry-After stops all requests; the
	// message itself can wait longer.
	maxBackoff = time.Minute
)

// strain is the share of throttled responses among the latest ones of this
// process.
type strain struct {
	mu    sync.Mutex
	share float64
}

// add counts a response and reports whether the pace must become slower. It then
// counts from zero, because the responses to requests already under way show
// nothing about the slower pace.
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

// Answered reports that Sinch accepted the request or refused it for another
// reason than its rate. It needs no round trip.
func (p *Pacer) Answered() { p.strain.add(false) }

// Throttled reports that Sinch answered "too fast", with its code; retryAfter is
// the requested time, or zero. A single such answer is the message's own matter. When
// most answers are like that, all processes slow down: the pace halves, up to a
// sixteenth, and comes back over seconds; without a pace all calls back off for
// a moment, and longer each time. A retryAfter then stops all calls as well, for
// a minute at most.
func (p *Pacer) Throttled(ctx context.Context, retryAfter time.Duration, sinchCode string) error {
	if !p.strain.add(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := p.source.slow(ctx, min(retryAfter, maxBackoff), sinchCode); err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

// levelOf is the level of slowness of a key that lives recovery for each halving:
// as it expires, the pace rises by itself.
func levelOf(ttl time.Duration) float64 {
	return min(max(0, float64(ttl)/float64(recovery)), maxLevel)
}

// slow raises the level by one. Two processes that do it at the same time raise
// it once, which is right: they saw the same overload.
func (s *redisSource) slow(ctx context.Context, backoff time.Duration, sinchCode string) error {
	before, err := readSlowness(ctx, s.rdb, s.keys)
	if err != nil {
		return err
	}
	level := min(before.level+1, maxLevel)
	cause := slowCause{since: before.since, sinchCode: sinchCode}
	if before.level == 0 {
		cause.since = time.Now()
	}
	if s.perSecond() == 0 {
		backoff = max(backoff, time.Duration(float64(firstBackoff)*math.Exp2(level-1)))
	}
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, s.keys.slow, cause.String(), time.Duration(level*float64(recovery)))
		if backoff > before.backoff {
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

// slowCause is the value of the key of the slowness.
type slowCause struct {
	since     time.Time
	sinchCode string // of the latest answer
}

// String is the cause as Redis keeps it.
func (c slowCause) String() string {
	return strconv.FormatInt(c.since.UnixMilli(), 10) + " " + c.sinchCode
}

func parseSlowCause(value string) slowCause {
	since, code, _ := strings.Cut(value, " ")
	return slowCause{since: parseMillis(since), sinchCode: code}
}

// slowness is how much slower the pace is.
type slowness struct {
	slowCause

	level   float64
	left    time.Duration // until the full pace is back
	backoff time.Duration // for how long calls still back off; negative: they do not
}

func readSlowness(ctx context.Context, rdb redis.UniversalClient, keys paceKeys) (slowness, error) {
	pipe := rdb.Pipeline()
	cause, slow, backoff := pipe.Get(ctx, keys.slow), pipe.PTTL(ctx, keys.slow), pipe.PTTL(ctx, keys.backoff)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return slowness{}, fmt.Errorf("read the pace: %w", err)
	}
	return slowness{
		slowCause: parseSlowCause(cause.Val()), level: levelOf(slow.Val()), left: slow.Val(), backoff: backoff.Val(),
	}, nil
}
