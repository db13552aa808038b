package message

import "time"

// QuietHours is the choice of a caller whether a message waits for the end of the
// quiet hours of its recipient; empty: it depends on the priority.
type QuietHours string

// The choices.
const (
	QuietRespect QuietHours = "respect"
	QuietIgnore  QuietHours = "ignore"
)

// RespectsQuietHours reports whether the message waits in quiet hours.
func (c Content) RespectsQuietHours() bool {
	return c.QuietHours == QuietRespect || c.QuietHours == "" && c.Priority != High
}

func (c *check) quietHours(value *string) QuietHours {
	if value == nil {
		return ""
	}
	choice := QuietHours(*value)
	if choice != QuietRespect && choice != QuietIgnore {
		c.problems.add("quietHours", ProblemInvalid, "must be respect or ignore")
	}
	return choice
}

// Held says until when quiet hours hold a message, and in which zone they end last.
// The zero Held holds none.
type Held struct {
	Until time.Time
	Zone  string
}

// detail is the timeline entry of a message that is held.
func (h Held) detail() string {
	return "held: quiet hours in " + h.Zone + " until " + h.Until.UTC().Format(time.RFC3339)
}

// AcceptHeld makes a new message one that is held from the beginning.
func (m *Message) AcceptHeld(h Held, now time.Time) {
	if h.Until.IsZero() {
		return
	}
	m.Status = StatusScheduled
	m.Timeline[len(m.Timeline)-1].Status = StatusScheduled
	m.hold(h)
	m.note(now, h.detail(), 0)
}

// HoldQuiet schedules a waiting message for the end of quiet hours, or for its
// ExpiresAt where that comes first. It counts as no try and no deferral.
func (m *Message) HoldQuiet(h Held, now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.hold(h)
	if m.Status == StatusScheduled {
		m.note(now, h.detail(), 0)
		return nil
	}
	return m.move(now, StatusScheduled, OnHold, h.detail(), 0)
}

func (m *Message) hold(h Held) {
	m.park(h.Until)
	m.HeldUntil = h.Until
}
