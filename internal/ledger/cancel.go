package ledger

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

const (
	// cancelNow bounds the time for which a caller waits while the messages of a
	// batch are canceled one by one; the sweeper cancels the rest.
	cancelNow = 800 * time.Millisecond
	// membersRead is the number of messages of a batch that are read at a time.
	membersRead = 200
	// cancelers is the number of messages that are canceled concurrently.
	cancelers = 16
)

// CancelBatch marks a batch as canceled: from then on none of its messages begins
// an attempt, and it accepts no more rows. Its waiting messages are canceled one by
// one, the first ones before it returns. It returns ErrBatchDone for a batch of
// which no message waits or is being sent.
func (l *Ledger) CancelBatch(ctx context.Context, scope message.Scope, id message.BatchID) (Batch, error) {
	b, err := l.GetBatch(ctx, scope, id)
	if err != nil {
		return Batch{}, err
	}
	if !b.Canceled {
		if b.Open() == 0 {
			return Batch{}, ErrBatchDone
		}
		pipe := l.rdb.TxPipeline()
		pipe.HSet(ctx, l.batchKey(id), batchCanceled, 1)
		pipe.ZAddNX(ctx, l.key("canceling"), redis.Z{Member: string(id)})
		if _, err := pipe.Exec(ctx); err != nil {
			return Batch{}, unavailable("cancel batch", err)
		}
	}
	soon, cancel := context.WithTimeout(ctx, cancelNow)
	defer cancel()
	if err := l.cancelMembers(soon, id, 0); err != nil && soon.Err() == nil {
		return Batch{}, err
	}
	return l.GetBatch(ctx, scope, id)
}

// ContinueCancels cancels the remaining messages of all canceled batches. It ends
// early when ctx ends.
func (l *Ledger) ContinueCancels(ctx context.Context) error {
	entries, err := l.rdb.ZRangeWithScores(ctx, l.key("canceling"), 0, -1).Result()
	if err != nil {
		return unavailable("list canceled batches", err)
	}
	for _, entry := range entries {
		name, _ := entry.Member.(string)
		if err := l.cancelMembers(ctx, message.BatchID(name), int64(entry.Score)); err != nil {
			return err
		}
	}
	return nil
}

// cancelMembers cancels the messages of a batch from a place on, and records its
// progress. The list does not grow meanwhile: a canceled batch accepts no rows.
func (l *Ledger) cancelMembers(ctx context.Context, id message.BatchID, from int64) error {
	for {
		ids, err := l.members(ctx, id, from, from+membersRead)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return l.cancelsDone(ctx, id)
		}
		if err := l.cancelAll(ctx, ids); err != nil {
			return err
		}
		from += int64(len(ids))
		if err := l.rdb.ZAddXX(ctx, l.key("canceling"), redis.Z{Score: float64(from), Member: string(id)}).Err(); err != nil {
			return unavailable("cancel batch", err)
		}
	}
}

func (l *Ledger) cancelsDone(ctx context.Context, id message.BatchID) error {
	if err := l.rdb.ZRem(ctx, l.key("canceling"), string(id)).Err(); err != nil {
		return unavailable("cancel batch", err)
	}
	return nil
}

// CancelWithBatch is the Change that cancels a message of a canceled batch, unless
// it was replayed: a replay overrides the cancellation. With ContentTTL the content
// is dropped at once.
func (l *Ledger) CancelWithBatch(m *message.Message, now time.Time) error {
	if m.Replays > 0 {
		return nil
	}
	if err := m.Cancel(now); err != nil {
		return err
	}
	if l.DropsContent() && m.Status.Final() {
		return m.Redact(now)
	}
	return nil
}

// cancelAll cancels the messages that wait.
func (l *Ledger) cancelAll(ctx context.Context, ids []message.ID) error {
	work := make(chan message.ID)
	failed := make(chan error, cancelers)
	var wg sync.WaitGroup
	for range cancelers {
		wg.Go(func() {
			for id := range work {
				_, err := l.Update(ctx, id, l.CancelWithBatch)
				if errors.Is(err, ErrUnavailable) {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
