package ledger

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// batchesKept is how many batches of a scope can be listed.
const batchesKept = 10_000

// Batches lists up to limit batches of a scope behind a position; complete is true
// when the scope has no more batches than can be listed. Redis is read in chunks
// until there are enough. Expired batches are removed from the list.
func (l *Ledger) Batches(
	ctx context.Context, scope message.Scope, after BatchPosition, limit int,
) (found []Batch, complete bool, err error) {
	listed, err := l.rdb.ZCard(ctx, l.batchesKey(scope)).Result()
	if err != nil {
		return nil, false, unavailable("list batches", err)
	}
	newest := "+inf"
	if after.ID != "" {
		newest = strconv.FormatInt(after.CreatedAt, 10)
	}
	var expired []any
	for offset := int64(0); len(found) < limit; offset += listChunk {
		entries, err := l.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: l.batchesKey(scope), ByScore: true, Rev: true, Start: newest, Stop: lowest, Offset: offset, Count: listChunk,
		}).Result()
		if err != nil {
			return nil, false, unavailable("list batches", err)
		}
		batches, gone, err := l.readBatches(ctx, scope, after, entries)
		if err != nil {
			return nil, false, err
		}
		found, expired = append(found, batches...), append(expired, gone...)
		if len(entries) < listChunk {
			break
		}
	}
	if len(expired) > 0 {
		if err := l.rdb.ZRem(ctx, l.batchesKey(scope), expired...).Err(); err != nil {
			return nil, false, unavailable("list batches", err)
		}
	}
	return found[:min(len(found), limit)], listed < batchesKept, nil
}

// readBatches reads those batches of a chunk of the list that are behind a position,
// in one round trip; gone are those that have expired.
func (l *Ledger) readBatches(
	ctx context.Context, scope message.Scope, after BatchPosition, entries []redis.Z,
) (found []Batch, gone []any, err error) {
	var ids []message.BatchID
	for _, entry := range entries {
		id, _ := entry.Member.(string)
		if after.before(int64(entry.Score), message.BatchID(id)) {
			ids = append(ids, message.BatchID(id))
		}
	}
	pipe := l.rdb.Pipeline()
	reads := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		reads[i] = pipe.HGetAll(ctx, l.batchKey(id))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, nil, unavailable("list batches", err)
	}
	for i, id := range ids {
		b, err := batchOf(scope, id, reads[i].Val())
		switch {
		case errors.Is(err, ErrNotFound):
			gone = append(gone, string(id))
		case err != nil:
			return nil, nil, err
		default:
			found = append(found, b)
		}
	}
	return found, gone, nil
}
