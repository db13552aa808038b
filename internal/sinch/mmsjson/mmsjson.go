// Package mmsjson sends through Sinch's MMS JSON API: one URL, the action in
// the body, and refusals with HTTP status 200.
package mmsjson

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// DefaultBaseURL is Sinch's own host (developers.sinch.com, MMS API reference).
const DefaultBaseURL = "https://api.ci.mblox.com"

// apiPath is appended to the base URL.
const apiPath = "/ep/v2/"

// Options are the settings of a Provider.
type Options struct {
	BaseURL        string // scheme, host and port; empty: DefaultBaseURL
	APIKey         string
	CampaignID     string // service-id; empty: left out
	DefaultSubject string // of messages without one
	Client         *wire.Client
}

// Provider implements sinch.Provider.
type Provider struct{ opts Options }

// New makes a provider.
func New(o Options) *Provider {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	return &Provider{opts: o}
}

// Origin implements sinch.Provider.
func (p *Provider) Origin() sinch.Origin {
	return sinch.Origin{API: sinch.APIMMS, BaseURL: p.opts.BaseURL, Account: p.opts.CampaignID}
}

type sendRequest struct {
	Action          string  `json:"action"`
	ServiceID       string  `json:"service-id,omitempty"`
	To              string  `json:"to"`
	From            string  `json:"from"`
	Subject         string  `json:"message-subject"`
	FallbackText    string  `json:"fallback-sms-text,omitempty"`
	DisableFallback bool    `json:"disable-fallback-sms"`
	Expiry          string  `json:"mms-expiry-timestamp,omitempty"`
	ClientReference string  `json:"client-reference"`
	Slides          []slide `json:"slide"`
}

type slide struct {
	Text    string  `json:"message-text,omitempty"`
	Image   *medium `json:"image,omitempty"`
	Audio   *medium `json:"audio,omitempty"`
	Video   *medium `json:"video,omitempty"`
	Contact *medium `json:"contact,omitempty"`
	Event   *medium `json:"calendar,omitempty"`
	PDF     *medium `json:"pdf,omitempty"`
}

type medium struct {
	URL string `json:"url"`
}

// Send implements sinch.Provider.
func (p *Provider) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	body, err := json.Marshal(p.request(m))
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
		Deadline: m.Deadline,
	})
	if err != nil {
		return wire.Failure(err)
	}
	return read(res)
}

func (p *Provider) request(m sinch.Message) sendRequest {
	r := sendRequest{
		Action: "sendmms", ServiceID: p.opts.CampaignID, To: digits(m.To), From: digits(m.From), Subject: m.Subject,
		FallbackText: m.FallbackText, DisableFallback: m.FallbackText == "", ClientReference: m.Ref,
	}
	if r.Subject == "" {
		r.Subject = p.opts.DefaultSubject
	}
	if !m.ExpiresAt.IsZero() {
		r.Expiry = m.ExpiresAt.UTC().Format(time.RFC3339)
	}
	for i, file := range m.Media {
		s := slideFor(file)
		if i == 0 {
			s.Text = m.Text
		}
		r.Slides = append(r.Slides, s)
	}
	return r
}

// digits is a number as this API wants it: without plus.
func digits(number string) string { return strings.TrimPrefix(number, "+") }

// slideFor makes the slide of one medium. Its kind comes from the checked type,
// else from the extension, else it is an image.
func slideFor(file sinch.Medium) slide {
	m := &medium{URL: file.URL}
	switch kindOf(file) {
	case "audio":
		return slide{Audio: m}
	case "video":
		return slide{Video: m}
	case "contact":
		return slide{Contact: m}
	case "calendar":
		return slide{Event: m}
	case "pdf":
		return slide{PDF: m}
	default:
		return slide{Image: m}
	}
}

func kindOf(file sinch.Medium) string {
	if file.ContentType != "" {
		return kindOfType(file.ContentType)
	}
	address, _, _ := strings.Cut(file.URL, "?")
	switch strings.ToLower(path.Ext(address)) {
	case ".mp3", ".wav", ".m4a", ".aac", ".amr", ".ogg":
		return "audio"
	case ".mp4", ".3gp", ".mpeg", ".mpg", ".avi", ".wmv", ".mov":
		return "video"
	case ".vcf":
		return "contact"
	case ".ics":
		return "calendar"
	case ".pdf":
		return "pdf"
	default:
		return "image"
	}
}

func kindOfType(contentType string) string {
	contentType, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	switch family, _, _ := strings.Cut(contentType, "/"); {
	case family == "audio", family == "video":
		return family
	case contentType == "text/vcard", contentType == "text/x-vcard":
		return "contact"
	case contentType == "text/calendar":
		return "calendar"
	case contentType == "application/pdf":
		return "pdf"
	default:
		return "image"
	}
}

// sendAnswer is what is read of an answer; everything else in it is ignored.
type sendAnswer struct {
	Status     string `json:"status"`
	TrackingID string `json:"tracking-id"`
	ErrorCode  string `json:"error-code"`
}

// read finds the outcome in an answer. A body with an error code wins over the
// HTTP status.
func read(res wire.Response) sinch.Outcome {
	var a sendAnswer
	if err := json.Unmarshal(res.Body, &a); err != nil {
		a = sendAnswer{}
	}
	switch {
	case a.ErrorCode != "":
		return outcome(a.ErrorCode)
	case res.Status != http.StatusOK:
		return wire.ByStatus(res.Status, res.Header, time.Now())
	case strings.EqualFold(a.Status, "success"):
		return sinch.Outcome{Kind: sinch.Accepted, SinchID: a.TrackingID}
	case strings.EqualFold(a.Status, "failure"):
		return wire.Doubt("failure without an error code")
	default:
		return wire.Doubt(fmt.Sprintf("unreadable answer of %d bytes", len(res.Body)))
	}
}
