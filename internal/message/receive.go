package message

import (
	"strings"
	"time"
)

// Receive applies a receipt. Receipts may come before the response to the
// attempt, twice, late and in any order: the strongest one decides the state,
// and the timeline keeps each different one.
func (m *Message) Receive(r Receipt, now time.Time) error {
	line := r.line()
	if m.isDuplicate(line, r.Attempt) || !m.exists(r.Attempt) {
		return nil
	}
	a := m.call(r.Attempt)
	acts := r.State != ReceiptNone && m.applies(r, a)
	if acts && a != nil {
		a.accept()
		if a.SinchID == "" {
			a.SinchID = r.SinchID
		}
	}
	if acts && m.Status.Waiting() { // Redis may have lost the record of the attempt
		m.Attempts = max(m.Attempts, r.Attempt)
	}
	for _, to := range m.path(r, acts) {
		if err := m.step(to, now, line, r.Attempt); err != nil {
			return err
		}
	}
	if acts {
		m.apply(r)
	}
	if !m.isDuplicate(line, r.Attempt) {
		m.note(now, line, r.Attempt)
	}
	return nil
}

// exists reports whether the message can have had the attempt. Redis can have
// lost the last one of a message that has been queued, but none of one that still
// waits for its sendAt.
func (m *Message) exists(attempt int) bool {
	return attempt <= m.Attempts || attempt == m.Attempts+1 && (m.Status == StatusQueued || !m.HeldUntil.IsZero())
}

// applies reports whether a receipt may change the state. After a replay, the
// receipt of an older attempt does so only if it reports delivery, or if the
// outcome of that attempt is unknown.
func (m *Message) applies(r Receipt, a *Attempt) bool {
	older := r.Attempt <= m.Replayed
	return !older || r.State == ReceiptDelivered || (a != nil && a.State == AttemptUnknown)
}

// path lists the states that a receipt leads through: none when the message has
// the state already, or one that a stronger receipt has proved.
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
		// A receipt of an older attempt does not end the current one, unless it reports delivery.
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
	m.NextAt, m.Reason = time.Time{}, nil
	return m.move(now, to, OnReceipt, line, attempt)
}

// apply sets the fields that a receipt carries beside the state.
func (m *Message) apply(r Receipt) {
	if m.Status == StatusSending {
		return
	}
	if m.SinchID == "" {
		m.SinchID = r.SinchID
	}
	if r.Operator != "" {
		m.Operator = r.Operator
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
	m.Timeline[len(m.Timeline)-1].Reason = m.Reason
}

// sentAsSMS is the SentAs of a message that Sinch sent as its SMS fallback.
const sentAsSMS = "SMS"

// line is the timeline entry of a receipt. The receipt of the SMS fallback has
// another entry than that of the MMS.
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
