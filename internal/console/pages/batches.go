package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

const batchesPath = Root + "batches"

// batchRow is a batch with what follows from its counts.
type batchRow struct {
	ledger.Batch

	Status    string // running, paused, done or canceled
	PerSecond float64
	DoneAt    time.Time // zero: not known, or it is done
}

// Done is how many messages are no longer open.
func (r batchRow) Done() int64 { return r.Total - r.Open() }

// batchesBody is what the list of batches shows.
type batchesBody struct {
	Tenant  string
	Kind    string
	Batches []batchRow
	More    string // the address of the next page; empty: there is none
}

func (h *Handler) batches(w http.ResponseWriter, r *http.Request) error {
	f, err := readFilter(url.Values{tenantField: r.URL.Query()[tenantField], kindField: r.URL.Query()[kindField]})
	if err != nil {
		return err
	}
	var after ledger.BatchPosition
	if text := r.URL.Query().Get("after"); text != "" {
		id, err := message.ParseBatchID(text)
		if err != nil {
			return errNoBatch
		}
		last, err := h.Ledger.BatchOf(r.Context(), id)
		if err != nil {
			return batchError(err)
		}
		after = ledger.BatchPosition{CreatedAt: last.CreatedAt.UnixMilli(), ID: last.ID}
	}
	list, err := h.findBatches(r.Context(), f, after)
	if err != nil {
		return err
	}
	body := batchesBody{Tenant: f.Tenant, Kind: f.Kind}
	if len(list) > listLimit {
		list = list[:listLimit]
		query := f.query()
		query.Set("after", string(list[listLimit-1].ID))
		body.More = batchesPath + "?" + query.Encode()
	}
	if body.Batches, err = h.batchRows(r.Context(), list...); err != nil {
		return err
	}
	return h.show(w, r, "batches", "Batches", body)
}

// findBatches lists batches of all tenants, newest first, one more than a page has.
func (h *Handler) findBatches(ctx context.Context, f filter, after ledger.BatchPosition) ([]ledger.Batch, error) {
	scopes, err := h.scopes(ctx, f)
	if err != nil {
		return nil, err
	}
	var list []ledger.Batch
	for _, scope := range scopes {
		some, _, err := h.Ledger.Batches(ctx, scope, after, listLimit+1)
		if err != nil {
			return nil, fmt.Errorf("list batches: %w", err)
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b ledger.Batch) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return list[:min(len(list), listLimit+1)], nil
}

func batchError(err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return errNoBatch
	}
	return fmt.Errorf("read batch: %w", err)
}

// batchRows adds state and speed under the pauses in force.
func (h *Handler) batchRows(ctx context.Context, list ...ledger.Batch) ([]batchRow, error) {
	pauses, err := pause.NewStore(h.Redis).Read(ctx)
	if err != nil {
		return nil, err
	}
	now := h.Now()
	rows := make([]batchRow, len(list))
	for i, b := range list {
		row := batchRow{Batch: b, Status: "done", PerSecond: hundredths(b.Rate(now))}
		switch open := b.Open(); {
		case b.Canceled:
			row.Status = "canceled"
		case open > 0 && pauses.Halts(b.Scope.Tenant, b.ID):
			row.Status, row.PerSecond = "paused", 0
		case open > 0:
			row.Status = "running"
			if rate := b.Rate(now); rate > 0 {
				row.DoneAt = now.Add(time.Duration(float64(open) / rate * float64(time.Second)))
			}
		}
		rows[i] = row
	}
	return rows, nil
}

func hundredths(x float64) float64 {
	const perUnit = 100
	return math.Round(x*perUnit) / perUnit
}

// batchBody is what the page of a batch shows.
type batchBody struct {
	batchRow

	Scope    string // of its pause
	Paused   bool   // by an operator
	Messages []*message.Message
	All      string // the address of the list of its messages
}

// batchShown is the number of messages on the page of a batch.
const batchShown = 20

func (h *Handler) batch(w http.ResponseWriter, r *http.Request) error {
	id, err := message.ParseBatchID(r.PathValue("id"))
	if err != nil {
		return errNoBatch
	}
	b, err := h.Ledger.BatchOf(r.Context(), id)
	if err != nil {
		return batchError(err)
	}
	rows, err := h.batchRows(r.Context(), b)
	if err != nil {
		return err
	}
	f := filter{Batch: id, Tenant: b.Scope.Tenant, Kind: kindOf(b.Scope)}
	list, err := h.find(r.Context(), f, batchShown)
	if err != nil {
		return err
	}
	pauses, err := pause.NewStore(h.Redis).Read(r.Context())
	if err != nil {
		return err
	}
	scope := pause.OfBatch(id)
	_, paused := pauses[pause.Pause{Scope: scope}.Key()]
	return h.show(w, r, "batch", "Batch "+string(id), batchBody{
		batchRow: rows[0], Scope: string(scope), Paused: paused, Messages: list.Messages,
		All: messagesPath + "?batch=" + url.QueryEscape(string(id)),
	})
}
