// Package workers publishes the state of each worker process in Redis, so that the
// operators' pages of any process can show all of them.
package workers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

const (
	// statesKey is a hash: the State of each worker by its id.
	statesKey = redisconn.KeyPrefix + "workers"
	// publishEvery is the interval of publications.
	publishEvery = 2 * time.Second
	// shownFor is how long a worker is listed after its last publication.
	shownFor = 5 * publishEvery
	// publishTimeout bounds one publication.
	publishTimeout = 2 * time.Second
)

// ErrUnavailable is redisconn.ErrUnavailable of the list of workers.
var ErrUnavailable = fmt.Errorf("workers: %w", redisconn.ErrUnavailable)

// State is a worker as it has published itself.
type State struct {
	ID          string    `json:"id"`
	Host        string    `json:"host"`
	Version     string    `json:"version"`
	StartedAt   time.Time `json:"startedAt"`
	Sending     int       `json:"sending"` // calls in flight
	Concurrency int       `json:"concurrency"`
	Rate        float64   `json:"rate"` // SINCH_RATE
	Calls       Calls     `json:"calls"`
	At          time.Time `json:"at"` // of the publication, by the worker's estimate of Redis' time
}

// Publisher publishes the state of one worker.
type Publisher struct {
	Redis redis.UniversalClient
	// Worker has the members that do not change.
	Worker   State
	Recorder *Recorder
	Sending  func() int
	Now      func() time.Time // Redis' time
}

// Run records the start of the worker, publishes until ctx ends, and then removes the
// worker from the list. A publication that fails is followed by the next one.
func (p *Publisher) Run(ctx context.Context) {
	tick := time.NewTicker(publishEvery)
	defer tick.Stop()
	announced := false
	for {
		announced = announced || p.announce(ctx) == nil
		_ = p.Publish(ctx)
		select {
		case <-ctx.Done():
			_ = p.remove(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

// Publish publishes the state once.
func (p *Publisher) Publish(ctx context.Context) error {
	state := p.Worker
	state.Sending, state.Calls, state.At = p.Sending(), p.Recorder.Calls(), p.Now().UTC()
	value, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("publish worker: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	pipe := p.Redis.Pipeline()
	pipe.HSet(ctx, statesKey, state.ID, value)
	pipe.PExpire(ctx, statesKey, shownFor)
	all := pipe.HGetAll(ctx, statesKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("publish worker: %w: %w", ErrUnavailable, err)
	}
	if _, gone := parse(all.Val(), state.At); len(gone) > 0 {
		if err := p.Redis.HDel(ctx, statesKey, gone...).Err(); err != nil {
			return fmt.Errorf("publish worker: %w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

func (p *Publisher) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := p.Redis.HDel(ctx, statesKey, p.Worker.ID).Err(); err != nil {
		return fmt.Errorf("remove worker: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// List lists the workers that live, the oldest first. now is Redis' time.
func List(ctx context.Context, rdb redis.UniversalClient, now time.Time) ([]State, error) {
	values, err := rdb.HGetAll(ctx, statesKey).Result()
	if err != nil {
		return nil, fmt.Errorf("list workers: %w: %w", ErrUnavailable, err)
	}
	live, _ := parse(values, now)
	return live, nil
}

// parse returns the workers that live, the oldest first, and the ids of the others.
func parse(values map[string]string, now time.Time) (live []State, gone []string) {
	for id, value := range values {
		var s State
		if err := json.Unmarshal([]byte(value), &s); err != nil || s.ID != id || now.Sub(s.At) > shownFor {
			gone = append(gone, id)
			continue
		}
		live = append(live, s)
	}
	slices.SortFunc(live, func(a, b State) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return live, gone
}
