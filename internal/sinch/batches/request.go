package batches

import (
	"time"

	"mmsdispatch/internal/sinch"
)

const (
	// longestExpiry is Sinch's maximum for expire_at, three days, less a margin for
	// clock skew. A batch beyond it is refused permanently.
	longestExpiry = 3*24*time.Hour - 10*time.Second
	// timeFormat is ISO 8601 the way Sinch writes it, for times in UTC.
	timeFormat = "2006-01-02T15:04:05.000Z"
)

// batch is the body of a call.
type batch struct {
	Type            string                       `json:"type"`
	To              []string                     `json:"to"`
	From            string                       `json:"from"`
	Body            any                          `json:"body"` // a batchBody, or the text of typeText
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

// The types of batches (SMS API reference, batches).
const (
	typeMedia = "mt_media"
	typeText  = "mt_text"
)

// batch makes the body of a call. Reports are requested only with a URL, or
// Sinch refuses the batch (missing_callback_url).
func (p *Provider) batch(m sinch.Message, to []string) batch {
	b := batch{
		Type: typeText, To: to, From: m.From, Parameters: parameters(m.Text), DeliveryReport: "none", ClientReference: m.Ref,
		Body: m.Text,
	}
	if len(m.Media) > 0 {
		b.Type, b.Body = typeMedia, batchBody{URL: m.Media[0].URL, Message: m.Text, Subject: m.Subject}
	}
	if p.opts.CallbackURL != "" {
		b.DeliveryReport, b.CallbackURL = "per_recipient", p.opts.CallbackURL
	}
	if !m.ExpiresAt.IsZero() {
		at := m.ExpiresAt
		if latest := p.now().Add(longestExpiry); at.After(latest) {
			at = latest
		}
		b.ExpireAt = at.UTC().Format(timeFormat)
	}
	return b
}
