package message

import (
	"time"
)

// Conclude takes the outcome of attempt n in: from the call itself, or from a
// later look-up. An outcome for a call that is already settled changes nothing.
func (m *Message) Conclude(n int, o Outcome, retry Retry, now time.Time) error {
	a := m.call(n)
	if a == nil || (a.State == AttemptAccepted && o.Kind != OutcomeAccepted) {
		return nil
	}
	if o.Kind == OutcomeUnknown {
		return m.lose(a, o, now)
	}
	if o.Kind == OutcomeAccepted {
		return m.accept(a, o.SinchID, now)
	}
	return m.unsent(a, o, retry, now)
}

// lose marks a call whose outcome nobody knows.
func (m *Message) lose(a *Attempt, o Outcome, now time.Time) error {
	underWay := m.Status == StatusSending && a.N == m.Attempts
	a.State = AttemptUnknown
	if !underWay {
		return nil
	}
	m.Reason = &Reason{Code: ReasonUnknownOutcome, Message: o.Detail, SinchCode: o.SinchCode}
	return m.move(now, StatusUnknown, OnOutcome, "outcome unknown: "+o.Detail, a.N)
}

// accept takes in that Sinch has the call.
func (m *Message) accept(a *Attempt, sinchID string, now time.Time) error {
	first := a.State != AttemptAccepted
	a.State = AttemptAccepted
	if sinchID != "" {
		a.SinchID = sinchID
	}
	if !first && a.SinchID == m.SinchID {
		return nil
	}
	switch m.Status {
	case StatusQueued, StatusUnknown, StatusSending:
		if m.Status == StatusSending && a.N != m.Attempts {
			m.note(now, "an earlier call had been accepted", a.N)
			return nil
		}
		m.SinchID, m.Reason, m.NextAt = a.SinchID, nil, time.Time{}
		return m.move(now, StatusSent, OnOutcome, "accepted by Sinch", a.N)
	default:
		if m.SinchID == "" {
			m.SinchID = a.SinchID
		}
		m.note(now, "accepted by Sinch", a.N)
		return nil
	}
}

// unsent takes in that Sinch does not have the call.
func (m *Message) unsent(a *Attempt, o Outcome, retry Retry, now time.Time) error {
	n, current := a.N, m.Status == StatusSending && a.N == m.Attempts
	m.forget(n)
	switch {
	case current:
		if earlier := m.accepted(); earlier != nil {
			m.SinchID, m.Reason = earlier.SinchID, nil
			return m.move(now, StatusSent, OnOutcome, "an earlier call had been accepted", earlier.N)
		}
		return m.tryAgain(n, o, retry, now)
	case m.Status == StatusUnknown && !m.unresolved():
		// Settled late: also a refusal goes back to the queue, since unknown
		// never becomes failed; the next call will be refused in its turn.
		m.requeue(now)
		if err := m.move(now, StatusQueued, OnOutcome, describe("surely not sent", *o.Reason()), n); err != nil {
			return err
		}
		return m.countTry(n, o, retry, now)
	default:
		m.note(now, describe("surely not sent", *o.Reason()), n)
		return nil
	}
}

// accepted is a call since the last replay that Sinch has, or nil.
func (m *Message) accepted() *Attempt {
	for i := range m.Calls {
		if m.Calls[i].State == AttemptAccepted && m.Calls[i].N > m.Replayed {
			return &m.Calls[i]
		}
	}
	return nil
}

// tryAgain decides what follows the call under way that was surely not sent.
func (m *Message) tryAgain(n int, o Outcome, retry Retry, now time.Time) error {
	if o.Kind == OutcomeRefused {
		return m.fail(*o.Reason(), OnOutcome, n, now)
	}
	m.Reason = o.Reason()
	if o.Kind == OutcomeNotBegun {
		m.Reason = nil
	}
	if err := m.move(now, StatusQueued, OnOutcome, describe("surely not sent", *o.Reason()), n); err != nil {
		return err
	}
	return m.countTry(n, o, retry, now)
}

// countTry uses up a try where the outcome uses one, and sets the pause before
// the next one or ends the message.
func (m *Message) countTry(n int, o Outcome, retry Retry, now time.Time) error {
	switch o.Kind {
	case OutcomeNotBegun, OutcomeGone, OutcomeNotReady:
		m.NextAt = now
		return nil
	case OutcomeThrottled, OutcomeAccount:
		m.Delays++
		m.rest(now.Add(max(o.RetryAfter, retry.Delay(m.Delays))))
		return nil
	default:
		m.Tries++
		m.Delays = 0
	}
	limit, reason := retry.Max, Reason{Code: ReasonRetriesExhausted, Message: "every try was refused for now", SinchCode: o.SinchCode}
	if o.MaxRetries > 0 && o.MaxRetries < retry.Max {
		limit, reason = o.MaxRetries, *o.Reason()
	}
	if m.Tries > limit {
		return m.fail(reason, OnOutcome, n, now)
	}
	m.rest(now.Add(max(o.RetryAfter, retry.Delay(m.Tries))))
	return nil
}

// Absent takes in that Sinch, asked after the deadline, knew nothing of the
// unresolved call n. Once three looks over window have found nothing, the call
// counts as surely not sent. A window of zero never settles it.
func (m *Message) Absent(n int, window time.Duration, retry Retry, now time.Time) error {
	a := m.call(n)
	if a == nil || a.State != AttemptUnknown || now.Before(a.Deadline) {
		return nil
	}
	a.Looks++
	if a.LookedAt.IsZero() {
		a.LookedAt = now
	}
	if window <= 0 || a.Looks < LooksNeeded || now.Sub(a.LookedAt) < window {
		return nil
	}
	o := Outcome{Kind: OutcomeNotSent, Code: ReasonInternal, Detail: "Sinch knows nothing of the call"}
	return m.unsent(a, o, retry, now)
}

// LooksNeeded is how many look-ups have to find nothing before a call counts
// as surely not sent.
const LooksNeeded = 3

// Resend queues a message of unknown outcome again, as the operator's policy
// says, and keeps in mind that its call may have been accepted.
func (m *Message) Resend(retry Retry, now time.Time) error {
	if m.Status != StatusUnknown || m.Tries >= retry.Max {
		return ErrNotWaiting
	}
	m.Tries++
	m.requeue(now)
	return m.move(now, StatusQueued, OnOutcome, "sent again by policy", 0)
}

// Restore brings an attempt back that Redis has lost, as one of unknown
// outcome. Conclude follows where its outcome is known.
func (m *Message) Restore(lost Attempt, now time.Time) error {
	if m.Attempts >= lost.N || !m.Status.Waiting() && m.Status != StatusUnknown {
		return nil
	}
	const what = "Redis lost the record of a call"
	m.Attempts, lost.State = lost.N, AttemptUnknown
	m.remember(lost)
	m.NextAt = time.Time{}
	m.Reason = &Reason{Code: ReasonUnknownOutcome, Message: what}
	if m.Status == StatusUnknown {
		m.note(now, what, lost.N)
		return nil
	}
	return m.move(now, StatusUnknown, OnRollback, what, lost.N)
}
