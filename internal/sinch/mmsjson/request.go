package mmsjson

import (
	"time"

	"mmsdispatch/internal/sinch"
)

// sendRequest is the action sendmms.
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

// request makes the body of a call. The subject is always there: carriers
// refuse messages without one. The fallback is switched off when there is no
// text for it, or Sinch refuses the call (E622).
func (p *Provider) request(m sinch.Message) sendRequest {
	r := sendRequest{
		Action: "sendmms", ServiceID: p.opts.CampaignID, To: sinch.Digits(m.To), From: sinch.Digits(m.From), Subject: m.Subject,
		FallbackText: m.FallbackText, DisableFallback: m.FallbackText == "", ClientReference: m.Ref,
		Slides: make([]slide, 0, len(m.Media)),
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
