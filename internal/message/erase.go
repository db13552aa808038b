package message

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// ErrNotErasable says that a message is not final.
var ErrNotErasable = errors.New("message is not final")

// Redact drops what a final message says: text, subject, fallback text, media
// and metadata. Its number stays. Redacting twice is no error. It is no entry of
// the timeline, and prolongs nothing.
func (m *Message) Redact(now time.Time) error {
	if !m.Status.Final() {
		return ErrNotErasable
	}
	m.dropContent(now)
	return nil
}

// Erase is Redact that drops the number, too, but for its country code and its
// last two digits, and the callback URL. With force a message of unknown outcome
// is erased; it is never sent again.
func (m *Message) Erase(force bool, now time.Time) error {
	if !m.Status.Final() && (m.Status != StatusUnknown || !force) {
		return ErrNotErasable
	}
	m.EraseLogged(now)
	return nil
}

// EraseLogged is Erase for a message that only the long-term log has: whatever its
// state, it changes no more.
func (m *Message) EraseLogged(now time.Time) {
	m.dropContent(now)
	m.Content.To, m.Content.CallbackURL = Masked(m.Content.To), ""
}

func (m *Message) dropContent(now time.Time) {
	c := &m.Content
	c.Text, c.Subject, c.FallbackText, c.Media, c.Metadata = "", "", "", nil, nil
	if m.RedactedAt.IsZero() {
		m.RedactedAt = now
	}
}

// Repeats reports whether a content is that of the message. Of
// a redacted message only what is left is compared.
func (m *Message) Repeats(c Content) bool {
	kept := m.Content
	if !m.RedactedAt.IsZero() {
		c.Text, c.Subject, c.FallbackText, c.Media, c.Metadata = "", "", "", nil, nil
		if IsMasked(kept.To) {
			kept.To, c.CallbackURL = c.To, kept.CallbackURL
		}
	}
	return kept.Equal(c)
}

const (
	// hidden stands for the digits of a masked number.
	hidden = "…"
	// shownDigits are the last digits of a masked number.
	shownDigits = 2
	// shortCode is the length of the longest number that is no person's.
	shortCode = 6
)

// Masked is a number without all but its country code and its last two digits.
// Short codes stay.
func Masked(number string) string {
	if IsMasked(number) || len(strings.TrimPrefix(number, "+")) <= shortCode {
		return number
	}
	country := ""
	if parsed, err := phonenumbers.Parse(number, ""); err == nil {
		country = "+" + strconv.Itoa(int(parsed.GetCountryCode()))
	}
	return country + hidden + number[len(number)-shownDigits:]
}

// IsMasked reports whether a number was masked.
func IsMasked(number string) bool { return strings.Contains(number, hidden) }
