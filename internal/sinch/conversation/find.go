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

// Look-ups.
const (
	pageSize = 100
	maxPages = 100
	// lookBack is how far before the begin of a call a look-up starts, for clocks
	// that differ. It has no end: a number does not get so many messages.
	lookBack = time.Minute
	// lookupTimeout bounds each call when the caller's context does not.
	lookupTimeout = 10 * time.Second
	timeFormat    = "2006-01-02T15:04:05.000Z"
)

// ErrLookup says that Sinch could not be asked, or gave no answer to go by.
var ErrLookup = errors.New("sinch cannot be asked")

// page is what is read of a page of the list.
type page struct {
	Messages []listedMessage `json:"messages"`
	Next     string          `json:"next_page_token"`
}

type listedMessage struct {
	ID       sinch.Text `json:"id"`
	Metadata sinch.Text `json:"metadata"`
}

// Find implements sinch.Finder. Sinch knows no filter by metadata, so the
// messages of the app to the number are listed and compared. What is found is
// proven; absence is only where every page was read and the app keeps what it
// dispatches.
func (p *Provider) Find(ctx context.Context, c sinch.Call) (sinchID string, found bool, err error) {
	next := ""
	for range maxPages {
		got, err := p.page(ctx, c, next)
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
			return "", false, p.keeps(ctx, c.Begun)
		}
		next = got.Next
	}
	return "", false, fmt.Errorf("%w: too many pages", ErrLookup)
}

// page gets one page of what the app dispatched to a number.
func (p *Provider) page(ctx context.Context, c sinch.Call, next string) (page, error) {
	query := url.Values{
		"app_id": {p.opts.AppID}, "channel_identity": {sinch.Digits(c.To)}, "messages_source": {"DISPATCH_SOURCE"},
		"start_time": {c.Begun.Add(-lookBack).UTC().Format(timeFormat)}, "page_size": {strconv.Itoa(pageSize)},
	}
	if next != "" {
		query.Set("page_token", next)
	}
	var got page
	if err := p.ask(ctx, "/messages?"+query.Encode(), &got); err != nil {
		return page{}, err
	}
	if got.Messages == nil {
		return page{}, fmt.Errorf("%w: unreadable page", ErrLookup)
	}
	return got, nil
}

// ask reads something of the project into v.
func (p *Provider) ask(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := p.do(ctx, wire.Request{Method: http.MethodGet, URL: p.url(path)})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLookup, err)
	}
	if res.Status != http.StatusOK {
		return fmt.Errorf("%w: HTTP %d", ErrLookup, res.Status)
	}
	if json.Unmarshal(res.Body, v) != nil {
		return fmt.Errorf("%w: unreadable answer", ErrLookup)
	}
	return nil
}
