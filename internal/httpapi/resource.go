package httpapi

import (
	"time"

	"mmsdispatch/internal/message"
)

// timeLayout is RFC 3339 in UTC, always with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// view encodes a message in JSON.
type view func(m *message.Message) []byte

// messageRoom is a buffer size that fits most messages, in bytes.
const messageRoom = 1 << 10

func showMessage(m *message.Message) []byte {
	w := members{json: make([]byte, 0, messageRoom)}
	w.object(func() { w.message(m) })
	return w.json
}

// showGuide is the response of /send-mms.
func showGuide(m *message.Message) []byte {
	text := "MMS request accepted"
	if m.ID == "" {
		text = "MMS request is valid"
	}
	w := members{json: make([]byte, 0, messageRoom)}
	w.object(func() {
		w.text("message", text)
		w.text("id", string(m.ID))
		w.text("trackingId", m.SinchID)
		w.quoted("status", string(m.Status))
		w.name("details")
		w.object(func() { w.message(m) })
	})
	return w.json
}

// waiting adds the reason why a message waits while the account is paused. The
// record does not store it, since a million messages may wait for the same
// reason.
func (a *api) waiting(m *message.Message) *message.Message {
	if m.Status != message.StatusQueued || m.Reason != nil || m.Scope.Test {
		return m
	}
	reason := a.Paused()
	if reason == nil {
		return m
	}
	shown := *m
	shown.Reason = reason
	return &shown
}

// view shows a message with the reason why it waits.
func (a *api) view(show view) view {
	return func(m *message.Message) []byte { return show(a.waiting(m)) }
}

// message writes a message resource. Absent fields are null.
func (w *members) message(m *message.Message) { w.messageWith(m, true) }

// event writes a message without its content, as events show it.
func (w *members) event(m *message.Message) { w.messageWith(m, false) }

func (w *members) messageWith(m *message.Message, content bool) {
	c := &m.Content
	w.text("id", string(m.ID))
	w.text("clientReference", c.ClientReference)
	w.text("to", c.To)
	w.quoted("from", m.From)
	if content {
		w.text("subject", c.Subject)
		w.text("text", c.Text)
		w.media(m)
	}
	w.quoted("priority", string(c.Priority))
	w.quoted("status", string(m.Status))
	w.reason(m.Reason)
	w.number("attempts", m.Attempts)
	w.text("sinchId", m.SinchID)
	w.text("sentAs", m.SentAs)
	w.text("batchId", string(m.BatchID))
	if content {
		w.text("fallbackText", c.FallbackText)
	}
	w.text("callbackUrl", c.CallbackURL)
	w.time("createdAt", m.CreatedAt)
	w.time("updatedAt", m.UpdatedAt)
	w.time("sendAt", c.SendAt)
	w.time("heldUntil", m.HeldUntil)
	w.time("expiresAt", m.ExpiresAt)
	w.time("sentAt", m.SentAt)
	w.time("finalAt", m.FinalAt)
	w.timeline(m.Timeline)
	w.metadata(m)
	w.time("redactedAt", m.RedactedAt)
}

// hides reports whether a message is shown without its content: it was dropped,
// or its key is missing.
func hides(m *message.Message) bool { return !m.RedactedAt.IsZero() || m.Content.To == "" }

func (w *members) media(m *message.Message) {
	if hides(m) {
		w.null("media")
		return
	}
	w.texts("media", m.Content.Media)
}

func (w *members) metadata(m *message.Message) {
	if hides(m) {
		w.null("metadata")
		return
	}
	w.mapping("metadata", m.Content.Metadata)
}

func (w *members) reason(r *message.Reason) {
	if r == nil {
		w.null("reason")
		return
	}
	w.name("reason")
	w.object(func() {
		w.quoted("code", string(r.Code))
		w.quoted("message", r.Message)
		w.text("sinchCode", r.SinchCode)
	})
}

func (w *members) timeline(entries []message.Entry) {
	w.name("timeline")
	w.json = append(w.json, '[')
	for i, e := range entries {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.object(func() { w.entry(e) })
	}
	w.json = append(w.json, ']')
}

func (w *members) entry(e message.Entry) {
	w.time("at", e.At)
	w.quoted("status", string(e.Status))
	w.quoted("detail", e.Detail)
	if e.Attempt == 0 {
		w.null("attempt")
		return
	}
	w.number("attempt", e.Attempt)
}

// some returns nil for an empty text.
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
