package conversation

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
	pageSize = 100
	maxPages = 100
	// lookupTimeout bounds each call when the caller's context does not.
	lookupTimeout = 10 * time.Second
	timeFormat    = "2006-01-02T15:04:05.000Z"
)

// ErrLookup means that Sinch could not be queried, or its response is unusable.
var ErrLookup = errors.New("sinch cannot be queried")

// page has the fields of a page of the list that are read.
type page struct {
	Messages []listedMessage `json:"messages"`
	Next     string          `json:"next_page_token"`
}

type listedMessage struct {
	ID       sinch.Text `json:"id"`
	Metadata sinch.Text `json:"metadata"`
}

// Find implements sinch.Finder. Sinch has no filter by metadata, so the messages of
// the app to the number are listed and compared. The list has no end time, since a
// number gets few messages. A message that is found is proved; its absence only if
// every page was read, Sinch's clock agrees with this process's, and the app retains
// dispatched messages.
func (p *Provider) Find(ctx context.Context, c sinch.Call) (sinchID string, found bool, err error) {
	next := ""
	for range maxPages {
		got, skew, err := p.page(ctx, c, next)
		if err != nil {
			return "", false, err
		}
		for _, m := range got.Messages {
			if string(m.Metadata) != c.Ref {
				continue
			}
			if m.ID.ID() == "" {
				return "", false, fmt.Errorf("%w: a message without an id", ErrLookup)
			}
			return m.ID.ID(), true, nil
		}
		if got.Next == "" {
			if err := sinch.CheckSkew(skew); err != nil {
				return "", false, err
			}
			return "", false, p.keeps(ctx, c.Begun)
		}
		next = got.Next
	}
	return "", false, fmt.Errorf("%w: too many pages", ErrLookup)
}

// page requests one page of the app's messages to a number.
func (p *Provider) page(ctx context.Context, c sinch.Call, next string) (got page, skew time.Duration, err error) {
	query := url.Values{
		"app_id": {p.opts.AppID}, "channel_identity": {sinch.Digits(c.To)}, "messages_source": {"DISPATCH_SOURCE"},
		"start_time": {c.Begun.Add(-sinch.LookBack).UTC().Format(timeFormat)}, "page_size": {strconv.Itoa(pageSize)},
	}
	if next != "" {
		query.Set("page_token", next)
	}
	if skew, err = p.query(ctx, "/messages?"+query.Encode(), &got); err != nil {
		return page{}, 0, err
	}
	if got.Messages == nil {
		return page{}, 0, fmt.Errorf("%w: unreadable page", ErrLookup)
	}
	return got, skew, nil
}

// query reads a resource of the project into v and returns the skew of Sinch's clock.
func (p *Provider) query(ctx context.Context, path string, v any) (skew time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := p.do(ctx, wire.Request{Method: http.MethodGet, URL: p.url(path)})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLookup, err)
	}
	if res.Status != http.StatusOK {
		return 0, fmt.Errorf("%w: HTTP %d", ErrLookup, res.Status)
	}
	if json.Unmarshal(res.Body, v) != nil {
		return 0, fmt.Errorf("%w: unreadable answer", ErrLookup)
	}
	return res.Skew(), nil
}
