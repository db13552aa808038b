package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/telemetry"
)

const (
	// samplesKey is a sorted set of Samples by their time in Unix ms.
	samplesKey = redisconn.KeyPrefix + "samples"
	// samplerKey is held by the process that takes the next sample.
	samplerKey = redisconn.KeyPrefix + "samples:turn"
	// sampleEvery is the interval of samples, samplesFor how long they are kept.
	sampleEvery = 5 * time.Second
	samplesFor  = time.Hour
	// rateOver is the time over which rates are measured.
	rateOver = 15 * time.Second
	// sampleTimeout bounds the taking of a sample.
	sampleTimeout = 4 * time.Second
)

// Totals count events of a UTC day over all scopes.
type Totals struct {
	Accepted int64 `json:"accepted"`
	Sent     int64 `json:"sent"`
	Failed   int64 `json:"failed"`
}

func (t Totals) minus(o Totals) Totals {
	return Totals{Accepted: t.Accepted - o.Accepted, Sent: t.Sent - o.Sent, Failed: t.Failed - o.Failed}
}

func (t Totals) plus(o Totals) Totals {
	return Totals{Accepted: t.Accepted + o.Accepted, Sent: t.Sent + o.Sent, Failed: t.Failed + o.Failed}
}

// Sample is the state of the counts at one time.
type Sample struct {
	At        time.Time `json:"at"`
	Today     Totals    `json:"today"`
	Yesterday Totals    `json:"yesterday"`
	Waiting   int64     `json:"waiting"` // messages in all lanes
}

func day(t time.Time) time.Time {
	const length = 24 * time.Hour
	return t.UTC().Truncate(length)
}

// Since are the events between an earlier sample and this one. Counts of a scope
// that was removed between them count for nothing.
func (s Sample) Since(earlier Sample) Totals {
	delta := s.Today.minus(earlier.Today)
	if day(s.At).After(day(earlier.At)) {
		delta = s.Today.plus(s.Yesterday.minus(earlier.Today))
	}
	return Totals{Accepted: max(0, delta.Accepted), Sent: max(0, delta.Sent), Failed: max(0, delta.Failed)}
}

// Sampler samples the counts of all scopes, in one process at a time.
type Sampler struct {
	Redis  redis.UniversalClient
	Ledger *ledger.Ledger
	Scopes Scopes
	Now    func() time.Time // Redis' time
	Log    zerolog.Logger
}

// Run takes samples until ctx ends.
func (s *Sampler) Run(ctx context.Context) {
	state := telemetry.NewStateLog(s.Log, "counts cannot be sampled", "counts are sampled again")
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	published := false
	for {
		err := s.round(ctx, &published)
		if ctx.Err() == nil {
			state.Report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Sampler) round(ctx context.Context, published *bool) error {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	if !*published {
		if err := s.Scopes.publish(ctx); err != nil {
			return err
		}
		*published = true
	}
	const early = sampleEvery / 10 // the next tick must find the key gone
	mine, err := s.Redis.SetNX(ctx, samplerKey, 1, sampleEvery-early).Result()
	if err != nil {
		return fmt.Errorf("sample: %w: %w", ErrUnavailable, err)
	}
	if !mine {
		return nil
	}
	return s.Take(ctx)
}

// Take takes one sample.
func (s *Sampler) Take(ctx context.Context) error {
	sample := Sample{At: s.Now().UTC()}
	scopes, err := s.Scopes.All(ctx)
	if err != nil {
		return err
	}
	for when, totals := range map[time.Time]*Totals{day(sample.At): &sample.Today, day(sample.At).AddDate(0, 0, -1): &sample.Yesterday} {
		usage, err := s.Ledger.UsageOf(ctx, scopes, when)
		if err != nil {
			return fmt.Errorf("sample: %w", err)
		}
		for _, u := range usage {
			*totals = totals.plus(Totals{
				Accepted: u.Accepted, Sent: u.Entered[message.StatusSent], Failed: u.Entered[message.StatusFailed],
			})
		}
	}
	counts, err := s.Ledger.Counts(ctx)
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	for _, n := range counts[message.StatusQueued] {
		sample.Waiting += n
	}
	return s.keep(ctx, sample)
}

func (s *Sampler) keep(ctx context.Context, sample Sample) error {
	value, err := json.Marshal(sample)
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	pipe := s.Redis.Pipeline()
	pipe.ZAdd(ctx, samplesKey, redis.Z{Score: float64(sample.At.UnixMilli()), Member: value})
	pipe.ZRemRangeByScore(ctx, samplesKey, "-inf", strconv.FormatInt(sample.At.Add(-samplesFor-sampleEvery).UnixMilli(), 10))
	pipe.PExpire(ctx, samplesKey, 2*samplesFor)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("sample: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// History lists the samples of the last hour, the oldest first.
func History(ctx context.Context, rdb redis.UniversalClient) ([]Sample, error) {
	values, err := rdb.ZRange(ctx, samplesKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read samples: %w: %w", ErrUnavailable, err)
	}
	samples := make([]Sample, 0, len(values))
	for _, value := range values {
		var s Sample
		if err := json.Unmarshal([]byte(value), &s); err == nil {
			samples = append(samples, s)
		}
	}
	return samples, nil
}

// trend is the counts of late: of the last hour, and as rates.
type trend struct {
	acceptedPerSecond float64
	sentPerSecond     float64
	failedLastHour    int64
}

// readTrend compares the latest sample with the first of the hour and with that
// before rateOver.
func readTrend(ctx context.Context, rdb redis.UniversalClient, now time.Time) (trend, error) {
	pipe := rdb.Pipeline()
	first, last := pipe.ZRange(ctx, samplesKey, 0, 0), pipe.ZRevRange(ctx, samplesKey, 0, 0)
	recent := pipe.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: samplesKey, ByScore: true, Rev: true, Start: strconv.FormatInt(now.Add(-rateOver).UnixMilli(), 10), Stop: "-inf", Count: 1,
	})
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return trend{}, fmt.Errorf("read samples: %w: %w", ErrUnavailable, err)
	}
	begin, begun := one(first.Val())
	end, ended := one(last.Val())
	if !begun || !ended {
		return trend{}, nil
	}
	t := trend{failedLastHour: end.Since(begin).Failed}
	before, known := one(recent.Val())
	if !known {
		before = begin
	}
	if seconds := end.At.Sub(before.At).Seconds(); seconds > 0 && now.Sub(end.At) < 2*rateOver {
		events := end.Since(before)
		t.acceptedPerSecond, t.sentPerSecond = float64(events.Accepted)/seconds, float64(events.Sent)/seconds
	}
	return t, nil
}

func one(values []string) (s Sample, ok bool) {
	if len(values) == 0 {
		return s, false
	}
	return s, json.Unmarshal([]byte(values[0]), &s) == nil
}
