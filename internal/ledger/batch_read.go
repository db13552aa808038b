package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// BatchesRead is several batches as they were read.
type BatchesRead struct {
	Batches []Batch
	At      time.Time // Redis' time of the reading
}

// ReadBatches reads batches of any scope in one round trip. Those that have expired
// are left out.
func (l *Ledger) ReadBatches(ctx context.Context, ids []message.BatchID) (BatchesRead, error) {
	pipe := l.rdb.Pipeline()
	now := pipe.Time(ctx) // before the batches: of two readings the later one has the newer counts
	reads := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		reads[i] = pipe.HGetAll(ctx, l.batchKey(id))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return BatchesRead{}, unavailable("read batches", err)
	}
	read := BatchesRead{At: now.Val().UTC()}
	for i, id := range ids {
		if b, err := parseBatch(reads[i].Val()); err == nil && b.ID == id {
			read.Batches = append(read.Batches, b)
		}
	}
	return read, nil
}
