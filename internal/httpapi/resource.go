package httpapi

import (
	"time"

	"mmsdispatch/internal/message"
)

// timeLayout is RFC 3339 in UTC with milliseconds, always.
const timeLayout = "2006-01-02T15:04:05.000Z"

// resource is a message as callers see it. What is absent is null.
type resource struct {
	ID              *string           `json:"id"`
	ClientReference *string           `json:"clientReference"`
	To              string            `json:"to"`
	From            string            `json:"from"`
	Subject         *string           `json:"subject"`
	Text            *string           `json:"text"`
	Media           []string          `json:"media"`
	Priority        message.Priority  `json:"priority"`
	Status          message.Status    `json:"status"`
	Reason          *reason           `json:"reason"`
	Attempts        int               `json:"attempts"`
	SinchID         *string           `json:"sinchId"`
	SentAs          *string           `json:"sentAs"`
	BatchID         *string           `json:"batchId"`
	FallbackText    *string           `json:"fallbackText"`
	CallbackURL     *string           `json:"callbackUrl"`
	CreatedAt       *string           `json:"createdAt"`
	UpdatedAt       *string           `json:"updatedAt"`
	SendAt          *string           `json:"sendAt"`
	ExpiresAt       *string           `json:"expiresAt"`
	SentAt          *string           `json:"sentAt"`
	FinalAt         *string           `json:"finalAt"`
	Timeline        []entry           `json:"timeline"`
	Metadata        map[string]string `json:"metadata"`
}

type reason struct {
	Code      message.ReasonCode `json:"code"`
	Message   string             `json:"message"`
	SinchCode *string            `json:"sinchCode"`
}

type entry struct {
	At      *string        `json:"at"`
	Status  message.Status `json:"status"`
	Detail  string         `json:"detail"`
	Attempt *int           `json:"attempt"`
}

// show makes the resource of a message.
func show(m *message.Message) resource {
	content := m.Content
	shown := resource{
		ID: some(string(m.ID)), ClientReference: some(content.ClientReference), To: content.To, From: m.From,
		Subject: some(content.Subject), Text: some(content.Text), Media: content.Media, Priority: content.Priority,
		Status: m.Status, Attempts: m.Attempts, SinchID: some(m.SinchID), SentAs: some(m.SentAs), BatchID: some(string(m.BatchID)),
		FallbackText: some(content.FallbackText), CallbackURL: some(content.CallbackURL),
		CreatedAt: at(m.CreatedAt), UpdatedAt: at(m.UpdatedAt), SendAt: at(content.SendAt), ExpiresAt: at(m.ExpiresAt),
		SentAt: at(m.SentAt), FinalAt: at(m.FinalAt),
		Timeline: make([]entry, 0, len(m.Timeline)), Metadata: content.Metadata,
	}
	if m.Reason != nil {
		shown.Reason = &reason{Code: m.Reason.Code, Message: m.Reason.Message, SinchCode: some(m.Reason.SinchCode)}
	}
	for _, e := range m.Timeline {
		line := entry{At: at(e.At), Status: e.Status, Detail: e.Detail}
		if e.Attempt > 0 {
			line.Attempt = &e.Attempt
		}
		shown.Timeline = append(shown.Timeline, line)
	}
	return shown
}

// some is nil for what is absent.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func at(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Format(timeLayout))
}

// guideAnswer is what /send-mms answers.
type guideAnswer struct {
	Message    string         `json:"message"`
	ID         *string        `json:"id"`
	TrackingID *string        `json:"trackingId"`
	Status     message.Status `json:"status"`
	Details    resource       `json:"details"`
}

func showGuide(m *message.Message) any {
	details := show(m)
	said := "MMS request accepted"
	if details.ID == nil {
		said = "MMS request is valid"
	}
	return guideAnswer{
		Message: said, ID: details.ID, TrackingID: details.SinchID, Status: details.Status, Details: details,
	}
}

func showMessage(m *message.Message) any { return show(m) }
