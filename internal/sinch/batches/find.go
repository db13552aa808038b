package batches

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// Lookups.
const (
	pageSize = 100 // Sinch's maximum
	maxPages = 100
	// lookupTimeout bounds each page when the caller's context does not.
	lookupTimeout = 10 * time.Second
)

// ErrLookup means that Sinch could not be queried, or its response is unusable.
var ErrLookup = errors.New("sinch cannot be queried")

// page has the fields of a page of the list that are read. Count is the total over all
// pages.
type page struct {
	Count   *int          `json:"count"`
	Batches []listedBatch `json:"batches"`

	skew time.Duration // of the clock of Sinch
}

type listedBatch struct {
	ID              sinch.Text `json:"id"`
	ClientReference sinch.Text `json:"client_reference"`
}

// Find implements sinch.Finder: it lists the batches with the reference. Since
// an absent batch may be sent again, absence has to be proved: every page up to
// the total was read, none of them had it, and Sinch's clock agrees with this process's. The
// batches of a page are counted, since Sinch may return fewer than requested.
func (p *Provider) Find(ctx context.Context, c sinch.Call) (sinchID string, found bool, err error) {
	seen := 0
	for n := range maxPages {
		got, err := p.page(ctx, c, n)
		if err != nil {
			return "", false, err
		}
		for _, b := range got.Batches {
			if string(b.ClientReference) != c.Ref {
				continue
			}
			if b.ID.ID() == "" {
				return "", false, fmt.Errorf("%w: a batch without an id", ErrLookup)
			}
			return b.ID.ID(), true, nil
		}
		seen += len(got.Batches)
		switch {
		case got.Count != nil && seen >= *got.Count:
			return "", false, sinch.CheckSkew(got.skew)
		case len(got.Batches) > 0:
		case got.Count == nil:
			return "", false, sinch.CheckSkew(got.skew)
		default:
			return "", false, fmt.Errorf("%w: the list ends before its count", ErrLookup)
		}
	}
	return "", false, fmt.Errorf("%w: too many pages", ErrLookup)
}

// page requests one page.
func (p *Provider) page(ctx context.Context, c sinch.Call, n int) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	query := url.Values{
		"client_reference": {c.Ref}, "start_date": {c.Begun.Add(-sinch.LookBack).UTC().Format(timeFormat)},
		"page": {strconv.Itoa(n)}, "page_size": {strconv.Itoa(pageSize)},
	}
	res, err := p.opts.Client.Do(ctx, wire.Request{Method: http.MethodGet, URL: p.url() + "?" + query.Encode(), Header: p.header()})
	if err != nil {
		return page{}, fmt.Errorf("%w: %w", ErrLookup, err)
	}
	if res.Status != http.StatusOK {
		return page{}, fmt.Errorf("%w: HTTP %d", ErrLookup, res.Status)
	}
	got := page{skew: res.Skew()}
	if err := json.Unmarshal(res.Body, &got); err != nil || got.Batches == nil {
		return page{}, fmt.Errorf("%w: unreadable page", ErrLookup)
	}
	return got, nil
}
