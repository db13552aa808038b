package redisconn

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// clocksKey holds what each process has measured last.
	clocksKey = KeyPrefix + "clocks"
	// clocksFresh is the age up to which a measurement is reported.
	clocksFresh = 30 * time.Second
	// roundTripMax is the longest round trip that replaces a measurement: half of
	// it is the uncertainty of the new one.
	roundTripMax = time.Second
)

// Clock is Redis' time as one process knows it: a measurement, and what has passed
// since on the monotonic clock. It is safe for concurrent use.
type Clock struct {
	rdb   redis.UniversalClient
	local func() time.Time

	mu    sync.Mutex
	redis time.Time // Redis' time at the last measurement
	at    time.Time // local time of it; zero: there is none
}

// NewClock makes a clock. local is the system's clock, time.Now in production.
func NewClock(rdb redis.UniversalClient, local func() time.Time) *Clock {
	return &Clock{rdb: rdb, local: local}
}

// Measure reads Redis' time.
func (c *Clock) Measure(ctx context.Context) error {
	before := c.local()
	there, err := c.rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("read Redis' time: %w", err)
	}
	took := c.local().Sub(before)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || took <= roundTripMax {
		c.redis, c.at = there.UTC(), before.Add(took/2)
	}
	return nil
}

// Now is Redis' time; before the first measurement it is the system's.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return c.local()
	}
	return c.redis.Add(c.local().Sub(c.at))
}

// Skew is by how much the system's clock is ahead of Redis'.
func (c *Clock) Skew() time.Duration { return c.local().Round(0).Sub(c.Now()) }

// Publish records the skew of a process for doctor, and removes those of processes
// that have ended.
func (c *Clock) Publish(ctx context.Context, process string) error {
	now := c.Now()
	value := strconv.FormatInt(c.Skew().Milliseconds(), 10) + " " + strconv.FormatInt(now.UnixMilli(), 10)
	if err := c.rdb.HSet(ctx, clocksKey, process, value).Err(); err != nil {
		return fmt.Errorf("publish skew: %w", err)
	}
	all, err := c.rdb.HGetAll(ctx, clocksKey).Result()
	if err != nil {
		return fmt.Errorf("read skews: %w", err)
	}
	for name, value := range all {
		if _, fresh := parseSkew(value, now); !fresh {
			if err := c.rdb.HDel(ctx, clocksKey, name).Err(); err != nil {
				return fmt.Errorf("remove skew: %w", err)
			}
		}
	}
	return nil
}

// Skews are those that the living processes have published, by process.
func Skews(ctx context.Context, rdb redis.UniversalClient) (map[string]time.Duration, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read Redis' time: %w", err)
	}
	all, err := rdb.HGetAll(ctx, clocksKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read skews: %w", err)
	}
	skews := make(map[string]time.Duration, len(all))
	for process, value := range all {
		if skew, fresh := parseSkew(value, now); fresh {
			skews[process] = skew
		}
	}
	return skews, nil
}

// parseSkew reads what Publish wrote: milliseconds, and when they were measured.
func parseSkew(value string, now time.Time) (skew time.Duration, fresh bool) {
	first, second, _ := strings.Cut(value, " ")
	ms, err1 := strconv.ParseInt(first, 10, 64)
	at, err2 := strconv.ParseInt(second, 10, 64)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, now.Sub(time.UnixMilli(at)).Abs() <= clocksFresh
}
