package httpapi

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// readBatch reads a batch, from the log when Redis no longer has it.
func (a *api) readBatch(ctx context.Context, scope message.Scope, id message.BatchID) (ledger.Batch, error) {
	b, err := a.Batches.GetBatch(ctx, scope, id)
	if a.LongLog == nil || !errors.Is(err, ledger.ErrNotFound) {
		return b, err
	}
	return a.LongLog.Batch(ctx, scope, id)
}

// referencedBatch is readBatch by reference.
func (a *api) referencedBatch(ctx context.Context, scope message.Scope, ref string) (ledger.Batch, error) {
	b, err := a.Batches.FindBatch(ctx, scope, ref)
	if a.LongLog == nil || !errors.Is(err, ledger.ErrNotFound) {
		return b, err
	}
	return a.LongLog.FindBatch(ctx, scope, ref)
}

// listedBatches lists up to limit batches behind a position, of Redis and of the log;
// complete is true when there are no others.
func (a *api) listedBatches(
	ctx context.Context, scope message.Scope, after ledger.BatchPosition, limit int,
) (found []ledger.Batch, complete bool, err error) {
	found, complete, err = a.Batches.Batches(ctx, scope, after, limit)
	if a.LongLog == nil || err != nil {
		return found, complete, err
	}
	bounded, cancel := a.forLog(ctx)
	defer cancel()
	logged, err := a.LongLog.Batches(bounded, scope, after, limit)
	switch {
	case errors.Is(err, messagelog.ErrUnavailable):
		a.Log.Warn().Err(err).Msg("a list lacks what only the long-term log has")
		return found, false, nil
	case err != nil:
		return nil, false, err
	}
	known := make(map[message.BatchID]bool, len(found))
	for _, b := range found {
		known[b.ID] = true
	}
	for _, b := range logged {
		if !known[b.ID] {
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(x, y ledger.Batch) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(y.ID, x.ID))
	})
	return found[:min(len(found), limit)], true, nil
}

// listLoggedBatch lists the messages of a batch when there is a log: in the order of
// the batch for as long as Redis has it, with what has expired from the log, and
// otherwise in the order of their creation.
func (a *api) listLoggedBatch(ctx context.Context, caller Caller, f filter) (messagePage, error) {
	_, err := a.Batches.GetBatch(ctx, caller.Scope, f.batchID)
	if errors.Is(err, ledger.ErrNotFound) {
		return a.listGoneBatch(ctx, caller, f)
	}
	if err != nil {
		return messagePage{}, err
	}
	p := a.newPager(f)
	p.page.complete = true
	r := ledger.BatchRange{Before: f.place, Expect: f.limit + 1, Gaps: true}
	r.Fill = func(ctx context.Context, ids []message.ID) map[message.ID]*message.Message {
		bounded, cancel := a.forLog(ctx)
		defer cancel()
		found, err := a.LongLog.Several(bounded, caller.Scope, ids)
		if err != nil {
			a.Log.Warn().Err(err).Msg("a list lacks what only the long-term log has")
			p.page.complete = false
		}
		return found
	}
	err = a.Batches.BatchMessages(ctx, caller.Scope, f.batchID, r, func(place int64, m *message.Message) bool {
		return p.add(m, func() *string {
			if m == nil {
				return cursorPlaces.write(place)
			}
			return cursorPlaces.write(place, string(m.ID))
		})
	})
	return p.page, err
}

// listGoneBatch lists the messages of a batch that only the log has.
func (a *api) listGoneBatch(ctx context.Context, caller Caller, f filter) (messagePage, error) {
	cold, complete, err := a.cold(ctx, caller, f)
	if err != nil {
		return messagePage{}, err
	}
	return a.joinedPage(f, portion{}, cold, complete, func(p ledger.Position) *string { return cursorPlaces.write(0, string(p.ID)) }), nil
}
