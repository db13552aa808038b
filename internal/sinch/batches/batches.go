// Package batches sends through Sinch's SMS REST API: a batch to one recipient or
// many, which can be found again by its client reference. Its type is mt_media, and
// mt_text for a text without media, which goes out as SMS.
package batches

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// Options are the settings of a Provider.
type Options struct {
	BaseURL     string // scheme, host and port; empty: Sinch's own, by Region
	Region      string // us, eu, …; empty: us
	Plan        string // service plan id
	Token       string
	CallbackURL string // for delivery reports; empty: none are requested
	Client      *wire.Client
}

// Provider implements sinch.Provider, sinch.Bulk and sinch.Finder.
type Provider struct {
	opts Options
	now  func() time.Time
}

// New makes a provider.
func New(o Options) *Provider {
	o.BaseURL = sinch.BaseURL(o.BaseURL, sinch.APIBatches, o.Region)
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

// Send implements sinch.Provider.
func (p *Provider) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	return p.SendMany(ctx, m, []string{m.To})
}

// maxRecipients is how many recipients a batch can have (SMS API reference,
// batches).
const maxRecipients = 1000

// MaxRecipients implements sinch.Bulk.
func (*Provider) MaxRecipients() int { return maxRecipients }

// SendMany implements sinch.Bulk.
func (p *Provider) SendMany(ctx context.Context, m sinch.Message, to []string) sinch.Outcome {
	if len(m.Media) > 1 || len(m.Media) == 0 && m.Text == "" {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "this API carries exactly one media URL, or a text"}
	}
	body, err := json.Marshal(p.batch(m, to))
	if err != nil {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "message cannot be encoded"}
	}
	res, err := p.opts.Client.Do(ctx, wire.Request{
		Method: http.MethodPost, URL: p.url(), Header: p.header(), Body: body, Deadline: m.Deadline,
	})
	if err != nil {
		return wire.Failure(err)
	}
	return read(res, p.now())
}
