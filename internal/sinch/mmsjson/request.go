package mmsjson

import (
	"time"

	"mmsdispatch/internal/sinch"
)

// sendRequest is the action sendmms or, without slides, sendsavedmms.
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
	SavedID         string  `json:"mms-id,omitempty"`
	Slides          []slide `json:"slide,omitempty"`
}

// request makes the body of a call with media.
func (p *Provider) request(m sinch.Message) sendRequest {
	r := p.addressed("sendmms", m)
	r.Slides = slides(m.Text, m.Media)
	return r
}

// addressed has the fields of one message beside its slides. The subject is always
// set, since carriers refuse messages without one. The fallback is disabled when
// there is no text for it, or Sinch refuses the call (E622).
func (p *Provider) addressed(action string, m sinch.Message) sendRequest {
	r := sendRequest{
		Action: action, ServiceID: p.opts.CampaignID, To: sinch.Digits(m.To), From: sinch.Digits(m.From), Subject: m.Subject,
		FallbackText: m.FallbackText, DisableFallback: m.FallbackText == "", ClientReference: m.Ref,
	}
	if r.Subject == "" {
		r.Subject = p.opts.DefaultSubject
	}
	if !m.ExpiresAt.IsZero() {
		r.Expiry = m.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return r
}
