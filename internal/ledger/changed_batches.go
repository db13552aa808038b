package ledger

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// ChangedBatch is a batch of which a message has ended.
type ChangedBatch struct {
	Batch

	At   time.Time // the last of them
	Done bool      // nothing of it is open

	key string
}

const (
	// batchQuiet is how long nothing of a batch has ended before it is looked at.
	batchQuiet = time.Second
	// uploadPatience is after which time without an end a request for rows of a
	// batch counts as broken off.
	uploadPatience = time.Minute
)

// ChangedBatches reads up to n of the batches of which messages have ended, for the
// consumer of callbacks. Those whose rows are still being accepted are left out.
func (l *Ledger) ChangedBatches(ctx context.Context, n int) ([]ChangedBatch, error) {
	now := l.opts.Now()
	entries, err := l.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
		Key: l.key("changed:batches"), ByScore: true, Count: int64(n),
		Start: lowest, Stop: strconv.FormatInt(now.Add(-batchQuiet).UnixMilli(), 10),
	}).Result()
	if err != nil || len(entries) == 0 {
		return nil, wrapUnavailable("list changed batches", err)
	}
	pipe := l.rdb.Pipeline()
	reads := make([]*redis.MapStringStringCmd, len(entries))
	for i, entry := range entries {
		key, _ := entry.Member.(string)
		reads[i] = pipe.HGetAll(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read changed batches", err)
	}
	var changed []ChangedBatch
	for i, entry := range entries {
		key, _ := entry.Member.(string)
		one := ChangedBatch{At: instant(int64(entry.Score)), key: key}
		b, err := parseBatch(reads[i].Val())
		if err == nil {
			one.Batch, one.Done = b, b.Open() == 0
		}
		if uploading := err == nil && b.Valid == 0 && now.Sub(one.At) < uploadPatience; !uploading {
			changed = append(changed, one)
		}
	}
	return changed, nil
}

// HandledBatch takes a batch off the list, unless more of it has ended since it was
// read.
func (l *Ledger) HandledBatch(ctx context.Context, b ChangedBatch) error {
	err := l.recheck.Run(ctx, l.rdb, []string{l.key("changed:batches")}, b.key, b.At.UnixMilli(), "").Err()
	return wrapUnavailable("take off changed batch", err)
}

// wrapUnavailable is unavailable for an error that may be nil.
func wrapUnavailable(what string, err error) error {
	if err == nil {
		return nil
	}
	return unavailable(what, err)
}
