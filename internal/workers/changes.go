package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

const (
	// changesKey is a list: the latest Starts, newest first.
	changesKey = redisconn.KeyPrefix + "workers:changes"
	// changesKept bounds it.
	changesKept = 100
)

// Start is the start of a worker with another version or other settings than the one
// that started before it had.
type Start struct {
	At          time.Time `json:"at"`
	Version     string    `json:"version"`
	Rate        float64   `json:"rate"` // SINCH_RATE
	Concurrency int       `json:"concurrency"`
}

// same reports whether two starts differ in their times only.
func (s Start) same(o Start) bool {
	return s.Version == o.Version && s.Rate == o.Rate && s.Concurrency == o.Concurrency
}

// announce records the start of the worker if it is a change.
func (p *Publisher) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	start := Start{At: p.Now().UTC(), Version: p.Worker.Version, Rate: p.Worker.Rate, Concurrency: p.Worker.Concurrency}
	latest, err := Starts(ctx, p.Redis)
	if err != nil {
		return err
	}
	if n := len(latest); n > 0 && latest[n-1].same(start) {
		return nil
	}
	value, err := json.Marshal(start)
	if err != nil {
		return fmt.Errorf("announce worker: %w", err)
	}
	pipe := p.Redis.Pipeline()
	pipe.LPush(ctx, changesKey, value)
	pipe.LTrim(ctx, changesKey, 0, changesKept-1)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("announce worker: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// Starts lists the latest starts that changed something, the oldest first. Of workers
// that started at the same time with the same change it has the first.
func Starts(ctx context.Context, rdb redis.UniversalClient) ([]Start, error) {
	values, err := rdb.LRange(ctx, changesKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list starts of workers: %w: %w", ErrUnavailable, err)
	}
	starts := make([]Start, 0, len(values))
	for _, value := range slices.Backward(values) {
		var s Start
		if json.Unmarshal([]byte(value), &s) != nil {
			continue
		}
		if n := len(starts); n == 0 || !starts[n-1].same(s) {
			starts = append(starts, s)
		}
	}
	return starts, nil
}
