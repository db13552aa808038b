// Package conversation sends through Sinch's Conversation API, channel MMS: one
// recipient and one media URL a message, an SMS as fallback if the caller gave a
// text for it, and one access token for all calls.
package conversation

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// Options are the settings of a Provider.
type Options struct {
	BaseURL     string // scheme, host and port; empty: Sinch's own, by Region
	Region      string // us, eu or br, as the app's; empty: us
	ProjectID   string
	AppID       string
	AuthURL     string // full URL of the token endpoint
	KeyID       string
	KeySecret   string
	CallbackURL string // for delivery reports; empty: they go to the webhooks of the app
	Client      *wire.Client
}

// Provider implements sinch.Provider and sinch.Finder.
type Provider struct {
	opts   Options
	tokens *tokens
	kept   retention
	now    func() time.Time
}

// New makes a provider.
func New(o Options) *Provider {
	o.BaseURL = sinch.BaseURL(o.BaseURL, sinch.APIConversation, o.Region)
	p := &Provider{opts: o, now: time.Now}
	p.tokens = newTokens(o, func() time.Time { return p.now() })
	return p
}

// Origin implements sinch.Provider.
func (p *Provider) Origin() sinch.Origin {
	return sinch.Origin{API: sinch.APIConversation, BaseURL: p.opts.BaseURL, Account: p.opts.ProjectID + "/" + p.opts.AppID}
}

// url returns the address of a resource of the project.
func (p *Provider) url(path string) string {
	return p.opts.BaseURL + "/v1/projects/" + url.PathEscape(p.opts.ProjectID) + path
}

// Send implements sinch.Provider. Without a token the call is not made.
func (p *Provider) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	if len(m.Media) > 1 || len(m.Media) == 0 && m.Text == "" {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "this API carries exactly one media URL, or a text"}
	}
	body, err := json.Marshal(p.call(m))
	if err != nil {
		return sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "message cannot be encoded"}
	}
	if !m.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, m.Deadline)
		defer cancel()
	}
	res, err := p.do(ctx, wire.Request{Method: http.MethodPost, URL: p.url("/messages:send"), Body: body, Deadline: m.Deadline})
	if refused, ok := errors.AsType[*TokenError](err); ok {
		return refused.outcome()
	}
	if err != nil {
		return wire.Failure(err)
	}
	return read(res, p.now())
}

// do makes a call with a token. If Sinch says that the token has expired, the call
// is made once more with a new one, since Sinch did not process it. Any other 401
// is the answer; it evicts the token as well, so that the next call gets a new one.
func (p *Provider) do(ctx context.Context, r wire.Request) (wire.Response, error) {
	res, token, err := p.with(ctx, r)
	if err != nil || res.Status != http.StatusUnauthorized {
		return res, err
	}
	p.tokens.evict(token)
	if !expired(res) {
		return res, nil
	}
	res, token, err = p.with(ctx, r)
	if err == nil && res.Status == http.StatusUnauthorized {
		p.tokens.evict(token)
	}
	return res, err
}

// with makes one call with the current token.
func (p *Provider) with(ctx context.Context, r wire.Request) (res wire.Response, token string, err error) {
	token, err = p.tokens.get(ctx)
	if err != nil {
		return wire.Response{}, "", err
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + token},
	}
	res, err = p.opts.Client.Do(ctx, r)
	return res, token, err
}

// expired reports whether a 401 is about an expired token (Sinch's SDKs check the
// same word).
func expired(res wire.Response) bool {
	return strings.Contains(strings.ToLower(res.Header.Get("WWW-Authenticate")), "expired")
}
