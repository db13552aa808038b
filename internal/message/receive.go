package message

import (
	"strings"
	"time"
)

// Receive takes a receipt in. Receipts may come before the answer of the call,
// twice, late and in any order: the strongest proof wins, and each different
// one is kept on the timeline.
func (m *Message) Receive(r Receipt, now time.Time) error {
	line := r.line()
	if m.noted(line, r.Attempt) || !m.made(r.Attempt) {
		return nil
	}
	a := m.call(r.Attempt)
	acts := r.State != ReceiptNone && m.heeds(r, a)
	if acts && a != nil {
		a.State = AttemptAccepted
		if a.SinchID == "" {
			a.SinchID = r.SinchID
		}
	}
	if acts && m.Status.Waiting() { // Redis may have lost the record of the attempt; Sinch has not
		m.Attempts = max(m.Attempts, r.Attempt)
	}
	for _, to := range m.path(r, acts) {
		if err := m.step(to, now, line, r.Attempt); err != nil {
			return err
		}
	}
	if acts {
		m.adopt(r)
	}
	if !m.noted(line, r.Attempt) {
		m.note(now, line, r.Attempt)
	}
	return nil
}

// made reports whether there can have been an attempt. One that Redis has lost
// is the next one at most, and of a message that still waits for its time there
// is none.
func (m *Message) made(attempt int) bool {
	return attempt <= m.Attempts || attempt == m.Attempts+1 && m.Status == StatusQueued
}

// heeds reports whether a receipt may change the state. After a replay, one of
// an older attempt does so only if it says delivered or settles a doubt.
func (m *Message) heeds(r Receipt, a *Attempt) bool {
	older := r.Attempt <= m.Replayed
	return !older || r.State == ReceiptDelivered || (a != nil && a.State == AttemptUnknown)
}

// path is the way through the table that a receipt leads: empty when the
// message is already there, or knows better.
func (m *Message) path(r Receipt, acts bool) []Status {
	if !acts {
		return nil
	}
	target := Status(r.State)
	switch m.Status {
	case StatusDelivered, target:
		return nil
	case StatusUndelivered:
		if target != StatusDelivered {
			return nil
		}
	case StatusSending:
		// What an older call became does not end the one under way, unless it arrived.
		if r.Attempt < m.Attempts && target != StatusDelivered {
			return nil
		}
	case StatusFailed, StatusExpired, StatusCanceled:
		if target == StatusUndelivered {
			return []Status{StatusSent, StatusUndelivered}
		}
	default:
	}
	return []Status{target}
}

// step moves along the path.
func (m *Message) step(to Status, now time.Time, line string, attempt int) error {
	m.NextAt = time.Time{}
	return m.move(now, to, OnReceipt, line, attempt)
}

// adopt takes over what the receipt says beside the state.
func (m *Message) adopt(r Receipt) {
	if m.Status == StatusSending {
		return
	}
	if m.SinchID == "" {
		m.SinchID = r.SinchID
	}
	if r.SentAs != "" && Status(r.State) == m.Status {
		m.SentAs = r.SentAs
	}
	switch {
	case Status(r.State) != m.Status:
	case m.Status == StatusUndelivered:
		m.Reason = &Reason{Code: r.Code, Message: r.Detail, SinchCode: r.SinchCode}
	default:
		m.Reason = nil
	}
}

// sentAsSMS is the form of a message that could not go out as MMS.
const sentAsSMS = "SMS"

// line is the receipt as an entry of the timeline. The same report for the SMS
// that goes out instead is another one.
func (r Receipt) line() string {
	var b strings.Builder
	b.WriteString("receipt")
	if r.State != ReceiptNone {
		b.WriteString(": " + string(r.State))
	}
	if r.SentAs == sentAsSMS {
		b.WriteString(" as SMS")
	}
	if r.SinchCode != "" {
		b.WriteString(" (" + r.SinchCode + ")")
	}
	return b.String()
}
