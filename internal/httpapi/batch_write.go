package httpapi

import (
	"context"
	"errors"
	"slices"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// The retry of rows that the storage did not accept in time.
const (
	writeAgainFor   = 5 * time.Second // from the first try to the last
	writeAgainPause = 250 * time.Millisecond
)

// write accepts rows. After a storage failure, which may have accepted some of
// them, it retries for writeAgainFor if every row is identified by a reference or
// by its position in a batch with a reference.
func (b *batchRun) write(rows []ledger.Row) ([]ledger.RowResult, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	begun := time.Now()
	for again := false; ; again = true {
		results, err := b.writeOnce(rows)
		if err == nil && again {
			b.claim(results, begun)
		}
		if !errors.Is(err, ledger.ErrUnavailable) || !b.knownAgain(rows) || time.Since(begun)+writeAgainPause > writeAgainFor {
			return results, err
		}
		<-time.After(writeAgainPause)
	}
}

func (b *batchRun) writeOnce(rows []ledger.Row) ([]ledger.RowResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.api.StorageTimeout)
	defer cancel()
	return b.api.Batches.AcceptRows(ctx, b.batch, rows)
}

// knownAgain reports whether accepting the rows twice accepts each once.
func (b *batchRun) knownAgain(rows []ledger.Row) bool {
	return b.batch.Reference != "" ||
		!slices.ContainsFunc(rows, func(r ledger.Row) bool { return r.Content.ClientReference == "" })
}

// claim counts rows as accepted, not as duplicates, when an earlier try of this
// request accepted them but its result was lost: the first row of each message
// that the batch got since then.
func (b *batchRun) claim(results []ledger.RowResult, begun time.Time) {
	seen := make(map[message.ID]bool, len(results))
	for i := range results {
		r := &results[i]
		if r.Err != nil {
			continue
		}
		m := r.Message
		if r.Duplicate && !seen[m.ID] && m.BatchID == b.batch.ID && !m.CreatedAt.Before(begun.Truncate(time.Millisecond)) {
			r.Duplicate = false
		}
		seen[m.ID] = true
	}
}
