package ledger

import (
	"context"
	"errors"

	"mmsdispatch/internal/message"
)

// ErrBatchDone is returned for a batch of which no message can be canceled.
var ErrBatchDone = errors.New("batch is done")

// Open is the number of messages of a batch that wait or are being sent.
func (b Batch) Open() int64 {
	return b.Counts[message.StatusScheduled] + b.Counts[message.StatusQueued] + b.Counts[message.StatusSending]
}

// Duplicates is the number of valid rows of the latest request that are not
// messages of the batch: their references belong to other messages, or to earlier
// rows. Rows that an earlier request of the batch accepted are not counted.
func (b Batch) Duplicates() int64 { return max(0, b.Valid-b.Total) }

// Tally is the result of a request for a batch, in rows.
type Tally struct{ Accepted, Duplicates, Rejected int64 }

// CountBatch records the result of the latest request of a batch, and counts its rows
// in the usage of the day.
func (l *Ledger) CountBatch(ctx context.Context, scope message.Scope, id message.BatchID, t Tally) error {
	keys := []string{countBatch: l.batchKey(id), countUsage: l.usageToday(scope), countUsages: l.usagesKey()}
	args := []any{
		countValid: t.Accepted + t.Duplicates, countDuplicates: t.Duplicates, countRejected: t.Rejected,
		countUsageKept: usageKept.Milliseconds(),
	}
	if err := l.count.Run(ctx, l.rdb, keys, args...).Err(); err != nil {
		return unavailable("count batch", err)
	}
	return nil
}

// BatchSends reports whether messages of a batch may still be sent: the batch exists
// and is not canceled.
func (l *Ledger) BatchSends(ctx context.Context, id message.BatchID) (bool, error) {
	fields, err := l.rdb.HMGet(ctx, l.batchKey(id), batchID, batchCanceled).Result()
	if err != nil {
		return false, unavailable("read batch", err)
	}
	return fields[0] != nil && fields[1] == nil, nil
}
