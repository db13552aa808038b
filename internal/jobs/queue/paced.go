package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

// The tasks of a batch with a pace that have no token are parked like those of a
// pause, so that they hold no slot and no message behind them waits for them. They are
// released at the pace, the oldest first.

// PacedBatch is a batch with a pace, in messages in a million seconds.
type PacedBatch struct {
	ID   message.BatchID
	Pace int64
}

// pacePrefix begins the names under which paces park tasks.
const pacePrefix = "pace:"

func (b PacedBatch) key() pause.Key {
	return pause.Key(pacePrefix + string(b.ID) + ":" + strconv.FormatInt(b.Pace, 10))
}

func isPaceKey(key pause.Key) bool { return strings.HasPrefix(string(key), pacePrefix) }

func parsePaceKey(key pause.Key) (PacedBatch, bool) {
	rest, ok := strings.CutPrefix(string(key), pacePrefix)
	id, text, found := strings.Cut(rest, ":")
	pace, err := strconv.ParseInt(text, 10, 64)
	return PacedBatch{ID: message.BatchID(id), Pace: pace}, ok && found && err == nil
}

func paced(yes bool) string {
	if yes {
		return "1"
	}
	return ""
}

// ParkPaced parks a task until the pace of its batch has room for it. since is its
// place in the order in which tasks come back.
func (q *Queue) ParkPaced(ctx context.Context, b PacedBatch, t Task, since time.Time) error {
	_, err := q.parkings.Do(ctx, parking{key: b.key(), task: t, since: since, paced: true})
	return err
}

// Paced are the batches that have tasks parked by their pace.
func (q *Queue) Paced(ctx context.Context) ([]PacedBatch, error) {
	keys, err := q.parkingPauses(ctx)
	if err != nil {
		return nil, err
	}
	var batches []PacedBatch
	for _, key := range keys {
		if b, ok := parsePaceKey(key); ok {
			batches = append(batches, b)
		}
	}
	return batches, nil
}

// Release enqueues up to n tasks of a batch that its pace has parked, the oldest
// first.
func (q *Queue) Release(ctx context.Context, b PacedBatch, n int64) error {
	if n <= 0 {
		return nil
	}
	entries, err := q.rdb.ZRange(ctx, parkedBy(b.key()), 0, n-1).Result()
	if err != nil {
		return fmt.Errorf("read parked tasks: %w", err)
	}
	_, err = q.unpark(ctx, b.key(), entries)
	return err
}

// ReleaseAll enqueues all tasks of a batch that its pace has parked.
func (q *Queue) ReleaseAll(ctx context.Context, b PacedBatch) error { return q.unparkAll(ctx, b.key()) }
