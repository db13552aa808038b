// Package mmsjson sends through Sinch's MMS JSON API: one URL, the action in
// the body, and refusals with HTTP status 200.
package mmsjson

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// apiPath is appended to the base URL.
const apiPath = "/ep/v2/"

// Options are the settings of a Provider.
type Options struct {
	API            sinch.API // named by Origin; empty: sinch.APIMMS
	BaseURL        string    // scheme, host and port; empty: Sinch's own
	APIKey         string
	CampaignID     string // service-id; empty: left out
	DefaultSubject string // of messages without one
	Client         *wire.Client
}

// Provider implements sinch.Provider.
type Provider struct{ opts Options }

// New makes a provider.
func New(o Options) *Provider {
	if o.API == "" {
		o.API = sinch.APIMMS
	}
	o.BaseURL = sinch.BaseURL(o.BaseURL, sinch.APIMMS, "")
	return &Provider{opts: o}
}

// Origin implements sinch.Provider.
func (p *Provider) Origin() sinch.Origin {
	return sinch.Origin{API: p.opts.API, BaseURL: p.opts.BaseURL, Account: p.opts.CampaignID}
}

// Send implements sinch.Provider.
func (p *Provider) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	if m.SavedID != "" {
		return aboutSaved(p.post(ctx, p.savedRequest(m), m.Deadline, read))
	}
	return p.post(ctx, p.request(m), m.Deadline, read)
}

// reader derives the outcome of a response.
type reader func(res wire.Response, now time.Time) sinch.Outcome

// post makes one HTTP call.
func (p *Provider) post(ctx context.Context, request any, deadline time.Time, read reader) sinch.Outcome {
	body, err := json.Marshal(request)
	if err != nil {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "message cannot be encoded"}
	}
	res, err := p.opts.Client.Do(ctx, wire.Request{
		Method: http.MethodPost,
		URL:    p.opts.BaseURL + apiPath,
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "Accept": {"application/json"}, "X-Api-Key": {p.opts.APIKey},
		},
		Body:     body,
		Deadline: deadline,
	})
	if err != nil {
		return wire.Failure(err)
	}
	return read(res, time.Now())
}
