package message

import (
	"slices"
	"time"
)

// EntryNumber is the number of the timeline's entry i among all that the message
// has had, from one. It never changes and is never used again.
func (m *Message) EntryNumber(i int) int {
	if i < timelineHead {
		return i + 1
	}
	return i + 1 + m.Dropped
}

// Entries is how many entries the timeline has had.
func (m *Message) Entries() int { return len(m.Timeline) + m.Dropped }

// Changed reports whether entry i of the timeline records a new state. The entry
// behind removed ones is compared with before, the state of the last removed entry;
// empty: it counts as a change.
func (m *Message) Changed(i int, before Status) bool {
	if i == 0 {
		return true
	}
	if i != timelineHead || m.Dropped == 0 {
		before = m.Timeline[i-1].Status
	}
	return m.Timeline[i].Status != before
}

// AsOf is the message as it was after entry i of its timeline.
func (m *Message) AsOf(i int) *Message {
	if i == len(m.Timeline)-1 {
		return m.Clone()
	}
	c, e := *m, m.Timeline[i]
	c.Timeline = m.Timeline[:i+1]
	c.Status, c.Reason, c.UpdatedAt = e.Status, e.Reason, e.At
	c.Attempts, c.SentAt, c.FinalAt, c.SinchID, c.SentAs = 0, time.Time{}, time.Time{}, "", ""
	for _, earlier := range c.Timeline {
		c.Attempts = max(c.Attempts, earlier.Attempt)
		switch {
		case earlier.Detail == replayed:
			c.SentAt = time.Time{}
		case earlier.Status == StatusSent && c.SentAt.IsZero():
			c.SentAt = earlier.At
		}
	}
	if e.Status.Final() {
		c.FinalAt = e.At
	}
	if a := m.call(e.Attempt); a != nil && e.Status.accepted() {
		c.SinchID = a.SinchID
	}
	return &c
}

// accepted reports whether Sinch accepted the message on the way to s.
func (s Status) accepted() bool {
	return s == StatusSent || s == StatusDelivered || s == StatusUndelivered
}

// ReplayedSince reports whether the timeline has a replay at or after a time.
func (m *Message) ReplayedSince(at time.Time) bool {
	return slices.ContainsFunc(m.Timeline, func(e Entry) bool { return e.Detail == replayed && !e.At.Before(at) })
}
