package httpapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

// batchResource is a batch in responses.
type batchResource struct {
	ID              string                   `json:"id"`
	ClientReference *string                  `json:"clientReference"`
	Status          string                   `json:"status"`
	Total           int64                    `json:"total"`
	Accepted        int64                    `json:"accepted"`
	Duplicates      int64                    `json:"duplicates"`
	Rejected        int64                    `json:"rejected"`
	Counts          map[message.Status]int64 `json:"counts"`
	CreatedAt       *string                  `json:"createdAt"`
	RatePerSecond   *float64                 `json:"ratePerSecond"`
	MaxPerSecond    *float64                 `json:"maxPerSecond"`
	ETASeconds      *int64                   `json:"etaSeconds"`
}

// showBatch shows a batch at the given time; a halted one has neither rate nor
// ETA.
func showBatch(b ledger.Batch, now time.Time, halted bool) batchResource {
	shown := batchResource{
		ID: string(b.ID), ClientReference: some(b.Reference), Status: "done", Counts: b.Counts, CreatedAt: at(b.CreatedAt),
		Total: b.Total, Accepted: b.Total, Duplicates: b.Duplicates(), Rejected: b.Rejected,
	}
	if b.Pace > 0 {
		shown.MaxPerSecond = new(message.PerSecond(b.Pace))
	}
	open := b.Open()
	switch {
	case b.Canceled:
		shown.Status = "canceled"
	case open > 0:
		shown.Status = "running"
	}
	rate := b.Rate(now)
	moves := rate > 0 && (!halted || open <= 0)
	if moves {
		const hundredths = 100
		shown.RatePerSecond = new(math.Round(rate*hundredths) / hundredths)
	}
	switch {
	case open == 0:
		shown.ETASeconds = new(int64(0))
	case moves:
		shown.ETASeconds = new(int64(math.Ceil(float64(open) / rate)))
	}
	return shown
}

// batch shows a batch at the current time, under the pauses in force.
func (a *api) batch(b ledger.Batch, set pause.Set) batchResource {
	shown := showBatch(b, a.now(), !b.Scope.Test && a.Paused() != nil || set.Halts(b.Scope.Tenant, b.ID))
	if shown.Status == "running" && set.Batch(b.ID) {
		shown.Status = "paused"
	}
	return shown
}

// answerBatch responds with a batch at the current time.
func (a *api) answerBatch(ctx context.Context, c echo.Context, b ledger.Batch) error {
	callOf(c).batch = b.ID
	set, err := a.Pauses.Read(ctx)
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, a.batch(b, set))
	return nil
}

func (a *api) getBatch(c echo.Context, caller Caller) error {
	if query := readQuery(c.Request()); len(query.problems) > 0 {
		return invalid(query.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	b, err := a.readBatch(ctx, caller.Scope, message.BatchID(c.Param(batchParam)))
	if err != nil {
		return batchError(err)
	}
	return a.answerBatch(ctx, c, b)
}

func (a *api) cancelBatch(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	id := message.BatchID(c.Param(batchParam))
	b, err := a.Batches.CancelBatch(ctx, caller.Scope, id)
	if errors.Is(err, ledger.ErrNotFound) {
		b, err = a.readBatch(ctx, caller.Scope, id)
		if err == nil && !b.Canceled {
			err = ledger.ErrBatchDone // Redis holds it for longer than its messages wait
		}
	}
	if err != nil {
		return batchError(err)
	}
	return a.answerBatch(ctx, c, b)
}

// batchError maps an error of the batch record to its problem.
func batchError(err error) error {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return errNoBatch()
	case errors.Is(err, ledger.ErrBatchDone):
		return newProblem(codeNotCancelable, "The batch is done: none of its messages waits or is being sent.")
	default:
		return err
	}
}

func errNoBatch() error { return newProblem(codeNotFound, "There is no such batch.") }

func (a *api) listBatches(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "clientReference", "limit", "cursor")
	reference, limit := q.text("clientReference"), q.limit()
	var after ledger.BatchPosition
	q.cursor(func(cursor string) bool {
		created, texts, ok := cursorBatches.read(cursor, 1)
		if !ok {
			return false
		}
		id, err := message.ParseBatchID(texts[0])
		after = ledger.BatchPosition{CreatedAt: created, ID: id}
		return err == nil
	})
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	found, complete, err := a.findBatches(ctx, caller, reference, after, limit+1)
	if err != nil {
		return err
	}
	set, err := a.Pauses.Read(ctx)
	if err != nil {
		return err
	}
	p := page[batchResource]{Data: make([]batchResource, 0, min(limit, len(found))), Complete: complete}
	for _, b := range found[:min(limit, len(found))] {
		p.Data = append(p.Data, a.batch(b, set))
	}
	if len(found) > limit {
		last := found[limit-1]
		p.NextCursor = cursorBatches.write(last.CreatedAt.UnixMilli(), string(last.ID))
	}
	writeJSON(c, http.StatusOK, p)
	return nil
}

// findBatches returns up to limit batches after a position; with a reference at
// most the one batch that has it, whatever its age. complete is true when there
// are no others.
func (a *api) findBatches(
	ctx context.Context, caller Caller, reference string, after ledger.BatchPosition, limit int,
) (_ []ledger.Batch, complete bool, _ error) {
	if reference == "" {
		return a.listedBatches(ctx, caller.Scope, after, limit)
	}
	b, err := a.referencedBatch(ctx, caller.Scope, reference)
	switch {
	case errors.Is(err, ledger.ErrNotFound) || err == nil && !after.Before(b):
		return nil, true, nil
	case err != nil:
		return nil, false, err
	default:
		return []ledger.Batch{b}, true, nil
	}
}

// listBatchMessages lists the messages of a batch, newest first.
func (a *api) listBatchMessages(ctx context.Context, caller Caller, f filter) (messagePage, error) {
	p := a.newPager(f)
	p.page.complete = true
	r := ledger.BatchRange{Before: f.place, Expect: f.limit + 1, Gaps: true}
	err := a.Batches.BatchMessages(ctx, caller.Scope, f.batchID, r, func(place int64, m *message.Message) bool {
		return p.add(m, func() *string { return cursorPlaces.write(place) })
	})
	return p.page, err
}
