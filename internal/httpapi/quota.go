package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
)

// untilTomorrow is how long the UTC day lasts.
func untilTomorrow(now time.Time) time.Duration {
	const day = 24 * time.Hour
	return now.UTC().Truncate(day).Add(day).Sub(now)
}

// reserve reserves the quota of the key for all rows of a batch that are new, or
// refuses the batch. What it has and does not use is given back by unreserve.
func (b *batchRun) reserve(c echo.Context, reference string, rows []draftRow) error {
	if b.caller.Quota.Daily == 0 {
		return nil
	}
	ctx, cancel := b.api.bounded(c)
	defer cancel()
	requested := make([]ledger.Row, 0, len(rows))
	for _, row := range rows {
		if len(row.wrong()) == 0 && len(row.draft.Late) == 0 {
			requested = append(requested, ledger.Row{Content: row.draft.Content, Index: row.index})
		}
	}
	quota := b.caller.Quota
	quota.Hold = rand.Text()
	err := b.api.Batches.Reserve(ctx, quota, int64(len(requested)))
	if errors.Is(err, ledger.ErrQuota) { // some of them may be duplicates, which do not count
		fresh, unread := b.api.Batches.CountNew(ctx, b.caller.Scope, reference, requested)
		if unread != nil {
			return unread
		}
		err = b.api.Batches.Reserve(ctx, quota, fresh)
	}
	if err != nil {
		return err
	}
	b.quota = quota
	return nil
}

// unreserve ends what reserve has reserved. What Redis does not take ends by itself.
func (b *batchRun) unreserve() {
	if b.quota.Hold == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.api.StorageTimeout)
	defer cancel()
	if err := b.api.Batches.Reserve(ctx, b.quota, 0); err != nil {
		b.api.Log.Warn().Str("batch_id", string(b.batch.ID)).Err(err).Msg("reserved quota not given back; it ends by itself")
	}
}
