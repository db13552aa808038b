package recovery

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/jobs/queue"
)

const (
	// releaseEvery is the interval in which parked tasks of batches with a pace are
	// released. The limiter decides about each of them again.
	releaseEvery = 100 * time.Millisecond
	// releaseShare is how many tasks are released for a token: some of them come at a
	// moment that has none.
	releaseShare = 1.2
	// releaseMost bounds the tasks of one batch that are released at once.
	releaseMost = 1000
)

// releases puts back the parked tasks of batches with a pace. Beside the rounds of the
// sweeper, each of which is a value of rounds, it runs only while there are some.
type releases struct {
	sweeper *Sweeper
	rounds  chan struct{}
	rooms   map[queue.PacedBatch]float64 // tasks that may be released
	last    time.Time                    // release
}

func newReleases(s *Sweeper) *releases { return &releases{sweeper: s, rounds: make(chan struct{}, 1)} }

// run releases tasks until rounds is closed.
func (r *releases) run(ctx context.Context) {
	for range r.rounds {
		for again := true; again; {
			err := r.look(ctx)
			again = false
			if err == nil && len(r.rooms) > 0 {
				again, err = r.untilNextRound(ctx)
			}
			if ctx.Err() == nil {
				r.sweeper.releasing.Report(err)
			}
		}
	}
}

// look finds the batches that have parked tasks. A batch that sends no more has all
// of its tasks released, since they only end.
func (r *releases) look(ctx context.Context) error {
	batches, err := r.sweeper.queue.Paced(ctx)
	if err != nil {
		return err
	}
	rooms := make(map[queue.PacedBatch]float64, len(batches))
	for _, b := range batches {
		sends, err := r.sweeper.ledger.BatchSends(ctx, b.ID)
		if err == nil && !sends {
			err = r.sweeper.queue.ReleaseAll(ctx, b)
		} else if err == nil {
			rooms[b] = r.rooms[b]
		}
		if err != nil {
			return err
		}
	}
	r.rooms = rooms
	return nil
}

// untilNextRound releases tasks at the paces until the sweeper's next round begins,
// or until this process may not be the one that sweeps any more: then begun is false.
func (r *releases) untilNextRound(ctx context.Context) (begun bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTTL)
	defer cancel()
	ticker := time.NewTicker(releaseEvery)
	defer ticker.Stop()
	for {
		if err := r.release(ctx); err != nil && ctx.Err() == nil {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case _, begun := <-r.rounds:
			return begun, nil
		case <-ticker.C:
		}
	}
}

// release releases what the paces allow since the last time, of a second at most.
func (r *releases) release(ctx context.Context) error {
	const micro = 1_000_000
	now := time.Now()
	passed := min(now.Sub(r.last), time.Second)
	r.last = now
	var failed error
	for b, room := range r.rooms {
		room = min(room+float64(b.Pace)/micro*passed.Seconds()*releaseShare, releaseMost)
		whole := int64(room)
		r.rooms[b] = room - float64(whole)
		failed = errors.Join(failed, r.sweeper.queue.Release(ctx, b, whole))
	}
	return failed
}
