package ledger

import (
	"context"
	"errors"

	"mmsdispatch/internal/message"
)

// ErrBatchDone says that a batch has nothing left to cancel.
var ErrBatchDone = errors.New("batch is done")

// Open is how many messages of a batch wait or are being sent.
func (b Batch) Open() int64 {
	return b.Counts[message.StatusScheduled] + b.Counts[message.StatusQueued] + b.Counts[message.StatusSending]
}

// Duplicates are the valid rows of the latest request that are no messages of the
// batch: their references belong to other messages, or to earlier rows. Rows that
// an earlier request of the batch accepted are none.
func (b Batch) Duplicates() int64 { return max(0, b.Valid-b.Total) }

// CountBatch records how many rows of the latest request of a batch were valid and
// how many were rejected.
func (l *Ledger) CountBatch(ctx context.Context, id message.BatchID, valid, rejected int64) error {
	if err := l.count.Run(ctx, l.rdb, []string{l.batchKey(id)}, valid, rejected).Err(); err != nil {
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
