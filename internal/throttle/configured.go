package throttle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	configuredEvery = 10 * time.Second
	// configuredFor is how long SINCH_RATE of a worker counts after it was published.
	configuredFor = 3 * configuredEvery
)

func configuredKey(prefix string) string { return cmp.Or(prefix, DefaultPrefix) + "pace:configured" }

// ConfiguredRate compares SINCH_RATE of this worker with that of the others: the
// pace is one for all, and the worker that takes a token brings its own.
type ConfiguredRate struct {
	Redis  redis.UniversalClient
	Prefix string // empty: DefaultPrefix
	Worker string
	Rate   float64
	Now    func() time.Time
	// Report is called after each comparison, with an error while the rates differ.
	Report func(error)
}

// DifferentRatesError says that workers have different settings of SINCH_RATE.
type DifferentRatesError struct{ Rates []float64 }

// Error implements error.
func (e *DifferentRatesError) Error() string {
	shown := make([]string, len(e.Rates))
	for i, rate := range e.Rates {
		shown[i] = strconv.FormatFloat(rate, 'f', -1, 64)
	}
	return "SINCH_RATE is not the same on all workers: " + strings.Join(shown, ", ")
}

// Run publishes the rate and compares it until ctx ends.
func (c ConfiguredRate) Run(ctx context.Context) {
	tick := time.NewTicker(configuredEvery)
	defer tick.Stop()
	for {
		if rates, err := c.exchange(ctx); err == nil {
			c.Report(differing(rates))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c ConfiguredRate) exchange(ctx context.Context) ([]float64, error) {
	key, now := configuredKey(c.Prefix), c.Now()
	pipe := c.Redis.Pipeline()
	pipe.HSet(ctx, key, c.Worker, fmt.Sprintf("%s %d", strconv.FormatFloat(c.Rate, 'f', -1, 64), now.UnixMilli()))
	pipe.PExpire(ctx, key, configuredFor)
	all := pipe.HGetAll(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("publish the pace: %w", err)
	}
	rates, gone := parseConfigured(all.Val(), now)
	if len(gone) > 0 {
		if err := c.Redis.HDel(ctx, key, gone...).Err(); err != nil {
			return nil, fmt.Errorf("publish the pace: %w", err)
		}
	}
	return rates, nil
}

// CheckConfiguredRates returns a *DifferentRatesError while workers have different
// settings of SINCH_RATE.
func CheckConfiguredRates(ctx context.Context, rdb redis.UniversalClient, prefix string, now time.Time) error {
	fields, err := rdb.HGetAll(ctx, configuredKey(prefix)).Result()
	if err != nil {
		return fmt.Errorf("read the pace of the workers: %w", err)
	}
	rates, _ := parseConfigured(fields, now)
	return differing(rates)
}

// parseConfigured returns the rates of the workers that live, each once and in
// ascending order, and the names of those that are gone.
func parseConfigured(fields map[string]string, now time.Time) (rates []float64, gone []string) {
	found := make(map[float64]bool)
	for worker, value := range fields {
		written, millis, _ := strings.Cut(value, " ")
		rate, err := strconv.ParseFloat(written, 64)
		if err != nil || now.Sub(parseMillis(millis)) > configuredFor {
			gone = append(gone, worker)
			continue
		}
		found[rate] = true
	}
	return slices.Sorted(maps.Keys(found)), gone
}

func differing(rates []float64) error {
	if len(rates) < 2 {
		return nil
	}
	return &DifferentRatesError{Rates: rates}
}
