// Package batches sends through Sinch's SMS REST API, type mt_media: one batch
// a message, which can be found again by its client reference.
package batches

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// longestExpiry is how far ahead Sinch takes expire_at.
const longestExpiry = 3 * 24 * time.Hour

// Options are the settings of a Provider.
type Options struct {
	BaseURL     string // scheme, host and port; empty: by Region
	Region      string // us, eu, …
	Plan        string // service plan id
	Token       string
	CallbackURL string // for delivery reports; empty: none are asked for
	Client      *wire.Client
}

// Provider implements sinch.Provider and sinch.Finder.
type Provider struct {
	opts Options
	now  func() time.Time
}

// New makes a provider.
func New(o Options) *Provider {
	if o.BaseURL == "" {
		o.BaseURL = "https://" + o.Region + ".sms.api.sinch.com"
	}
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	return &Provider{opts: o, now: time.Now}
}

// Origin implements sinch.Provider.
func (p *Provider) Origin() sinch.Origin {
	return sinch.Origin{API: sinch.APIBatches, BaseURL: p.opts.BaseURL, Account: p.opts.Plan}
}

func (p *Provider) url() string {
	return p.opts.BaseURL + "/xms/v1/" + url.PathEscape(p.opts.Plan) + "/batches"
}

func (p *Provider) header() http.Header {
	return http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + p.opts.Token},
	}
}

type batch struct {
	Type            string                       `json:"type"`
	To              []string                     `json:"to"`
	From            string                       `json:"from"`
	Body            batchBody                    `json:"body"`
	Parameters      map[string]map[string]string `json:"parameters,omitempty"`
	DeliveryReport  string                       `json:"delivery_report"`
	ExpireAt        string                       `json:"expire_at,omitempty"`
	CallbackURL     string                       `json:"callback_url,omitempty"`
	ClientReference string                       `json:"client_reference"`
}

type batchBody struct {
	URL     string `json:"url"`
	Message string `json:"message,omitempty"`
	Subject string `json:"subject,omitempty"`
}

// Send implements sinch.Provider.
func (p *Provider) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	if len(m.Media) != 1 {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "this API carries exactly one medium"}
	}
	body, err := json.Marshal(p.batch(m))
	if err != nil {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "message cannot be encoded"}
	}
	res, err := p.opts.Client.Do(ctx, wire.Request{
		Method: http.MethodPost, URL: p.url(), Header: p.header(), Body: body, Deadline: m.Deadline,
	})
	if err != nil {
		return wire.Failure(err)
	}
	return p.read(res)
}

func (p *Provider) batch(m sinch.Message) batch {
	b := batch{
		Type: "mt_media", To: []string{m.To}, From: m.From, Parameters: parameters(m.Text), DeliveryReport: "none", ClientReference: m.Ref,
		Body: batchBody{URL: m.Media[0].URL, Message: m.Text, Subject: m.Subject},
	}
	if p.opts.CallbackURL != "" {
		b.DeliveryReport, b.CallbackURL = "per_recipient", p.opts.CallbackURL
	}
	if !m.ExpiresAt.IsZero() {
		latest := p.now().Add(longestExpiry)
		if m.ExpiresAt.Before(latest) {
			latest = m.ExpiresAt
		}
		b.ExpireAt = latest.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return b
}

// read finds the outcome in an answer.
func (p *Provider) read(res wire.Response) sinch.Outcome {
	switch res.Status {
	case http.StatusCreated, http.StatusOK:
		var a struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(res.Body, &a); err != nil || a.ID == "" {
			return wire.Doubt(fmt.Sprintf("unreadable answer of %d bytes", len(res.Body)))
		}
		return sinch.Outcome{Kind: sinch.Accepted, SinchID: a.ID}
	case http.StatusBadRequest, http.StatusForbidden:
		var a struct {
			Code string `json:"code"`
		}
		if err := json.Unmarshal(res.Body, &a); err == nil && a.Code != "" {
			return refusal(a.Code)
		}
	}
	return wire.ByStatus(res.Status, res.Header, p.now())
}

// Look-ups.
const (
	pageSize = 100
	maxPages = 20
	// lookBack is how far before the begin of an attempt a look-up starts, for
	// clocks that differ.
	lookBack = time.Minute
)

var errLookup = errors.New("sinch cannot be asked")

type page struct {
	Count   int `json:"count"`
	Batches []struct {
		ID              string `json:"id"`
		ClientReference string `json:"client_reference"`
	} `json:"batches"`
}

// Find implements sinch.Finder: it lists the batches with the reference.
func (p *Provider) Find(ctx context.Context, ref string, begun time.Time) (string, bool, error) {
	for n := range maxPages {
		found, err := p.page(ctx, ref, begun, n)
		if err != nil {
			return "", false, err
		}
		for _, b := range found.Batches {
			if b.ClientReference == ref {
				return b.ID, true, nil
			}
		}
		if len(found.Batches) == 0 || (n+1)*pageSize >= found.Count {
			return "", false, nil
		}
	}
	return "", false, fmt.Errorf("%w: too many pages", errLookup)
}

func (p *Provider) page(ctx context.Context, ref string, begun time.Time, n int) (page, error) {
	query := url.Values{
		"client_reference": {ref}, "start_date": {begun.Add(-lookBack).UTC().Format("2006-01-02T15:04:05.000Z")},
		"page": {strconv.Itoa(n)}, "page_size": {strconv.Itoa(pageSize)},
	}
	res, err := p.opts.Client.Do(ctx, wire.Request{Method: http.MethodGet, URL: p.url() + "?" + query.Encode(), Header: p.header()})
	if err != nil {
		return page{}, fmt.Errorf("%w: %w", errLookup, err)
	}
	if res.Status != http.StatusOK {
		return page{}, fmt.Errorf("%w: status %d", errLookup, res.Status)
	}
	var found page
	if err := json.Unmarshal(res.Body, &found); err != nil || found.Batches == nil {
		return page{}, fmt.Errorf("%w: unreadable answer", errLookup)
	}
	return found, nil
}
