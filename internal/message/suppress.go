package message

import "time"

// Suppress ends a waiting message whose recipient has opted out.
func (m *Message) Suppress(now time.Time) error {
	return m.Refuse(Reason{Code: ReasonSuppressed, Message: "the recipient has opted out"}, now)
}
