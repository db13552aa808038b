package message

import "time"

// Conclude applies the outcome of attempt n, which comes from its response or
// from a later lookup. It changes nothing when the outcome is known already.
func (m *Message) Conclude(n int, o Outcome, retry Retry, now time.Time) error {
	noted := m.Dropped + len(m.Timeline)
	err := m.conclude(n, o, retry, now)
	if err == nil && o.Phases != nil {
		m.notePhases(n, noted, o.Phases)
	}
	return err
}

func (m *Message) conclude(n int, o Outcome, retry Retry, now time.Time) error {
	a := m.call(n)
	if a == nil || (a.State == AttemptAccepted && o.Kind != OutcomeAccepted) {
		return nil
	}
	if o.Kind == OutcomeUnknown {
		return m.markUnknown(a, o, now)
	}
	if o.Kind == OutcomeAccepted {
		return m.accept(a, o.SinchID, now)
	}
	return m.notSent(a, o, retry, now)
}

// markUnknown records that the outcome of an attempt is unknown.
func (m *Message) markUnknown(a *Attempt, o Outcome, now time.Time) error {
	current := m.isCurrent(a)
	a.State = AttemptUnknown
	if !current {
		return nil
	}
	m.Reason = &Reason{Code: ReasonUnknownOutcome, Message: o.Detail, SinchCode: o.SinchCode}
	return m.move(now, StatusUnknown, OnOutcome, "outcome unknown: "+o.Detail, a.N)
}

// isCurrent reports whether a is the attempt in progress.
func (m *Message) isCurrent(a *Attempt) bool { return m.Status == StatusSending && a.N == m.Attempts }

// accept records that Sinch has accepted an attempt.
func (m *Message) accept(a *Attempt, sinchID string, now time.Time) error {
	first := a.State != AttemptAccepted
	a.accept()
	if sinchID != "" {
		a.SinchID = sinchID
	}
	if !first && a.SinchID == m.SinchID {
		return nil
	}
	switch m.Status {
	case StatusScheduled, StatusQueued, StatusUnknown, StatusSending:
		if m.Status == StatusSending && !m.isCurrent(a) {
			m.note(now, "Sinch had accepted an earlier attempt", a.N)
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

// notSent records that Sinch has not accepted an attempt.
func (m *Message) notSent(a *Attempt, o Outcome, retry Retry, now time.Time) error {
	n, current := a.N, m.isCurrent(a)
	m.dropCall(n)
	switch {
	case current:
		if earlier := m.accepted(); earlier != nil {
			m.SinchID, m.Reason = earlier.SinchID, nil
			return m.move(now, StatusSent, OnOutcome, "Sinch had accepted an earlier attempt", earlier.N)
		}
		return m.tryAgain(n, o, retry, now)
	case m.Status == StatusUnknown && !m.unresolved():
		// A refusal goes back to the queue, too: unknown never becomes failed,
		// and Sinch will refuse the next attempt as well.
		m.requeue(now)
		if err := m.move(now, StatusQueued, OnOutcome, describe("not sent", *o.Reason()), n); err != nil {
			return err
		}
		return m.countTry(n, o, retry, now)
	default:
		m.note(now, describe("not sent", *o.Reason()), n)
		return nil
	}
}

// accepted is an attempt since the last replay that Sinch has accepted, or nil.
func (m *Message) accepted() *Attempt {
	for i := range m.Calls {
		if m.Calls[i].State == AttemptAccepted && m.Calls[i].N > m.Replayed {
			return &m.Calls[i]
		}
	}
	return nil
}

// tryAgain queues or ends a message whose current attempt was not sent.
func (m *Message) tryAgain(n int, o Outcome, retry Retry, now time.Time) error {
	if o.Kind == OutcomeRefused {
		return m.fail(*o.Reason(), OnOutcome, n, now)
	}
	m.Reason = o.Reason()
	if o.Kind == OutcomeNotBegun {
		m.Reason = nil
	}
	if err := m.move(now, StatusQueued, OnOutcome, describe("not sent", *o.Reason()), n); err != nil {
		return err
	}
	return m.countTry(n, o, retry, now)
}

// countTry counts the attempt against the retry limit where its outcome does,
// and parks the message or, beyond the limit, ends it.
func (m *Message) countTry(n int, o Outcome, retry Retry, now time.Time) error {
	switch o.Kind {
	case OutcomeNotBegun, OutcomeGone, OutcomeNotReady:
		m.NextAt = now
		return nil
	case OutcomeThrottled, OutcomeAccount:
		m.Delays++
		m.park(now.Add(max(o.RetryAfter, retry.Delay(m.Delays))))
		return nil
	default:
		m.Tries++
		m.Delays = 0
	}

	limit := retry.Max
	reason := Reason{Code: ReasonRetriesExhausted, Message: "no attempt was accepted within the retry limit", SinchCode: o.SinchCode}
	if o.MaxRetries > 0 && o.MaxRetries < retry.Max {
		limit, reason = o.MaxRetries, *o.Reason()
	}
	if m.Tries > limit {
		return m.fail(reason, OnOutcome, n, now)
	}
	m.park(now.Add(max(o.RetryAfter, retry.Delay(m.Tries))))
	return nil
}

// Absence is the evidence of one process that Sinch does not know an attempt.
type Absence struct {
	Lookups int           // lookups that did not find it
	Over    time.Duration // between the first and the last of them, by the monotonic clock of the process
}

// proves reports whether the lookups suffice over window.
func (a Absence) proves(window time.Duration) bool {
	return window > 0 && a.Lookups >= LookupsNeeded && a.Over >= window
}

// Absent records a lookup after the deadline that did not find the unresolved
// attempt n; seen is the evidence of the process that made it. Once LookupsNeeded
// lookups over window have not found the attempt, by Redis' clock and by that of
// the process, it counts as not sent; with a window of zero it never does.
func (m *Message) Absent(n int, seen Absence, window time.Duration, retry Retry, now time.Time) error {
	a := m.call(n)
	if a == nil || a.State != AttemptUnknown || now.Before(a.Deadline) {
		return nil
	}
	a.Lookups++
	if a.LookupAt.IsZero() {
		a.LookupAt = now
	}
	if !seen.proves(window) || !(Absence{a.Lookups, now.Sub(a.LookupAt)}).proves(window) {
		return nil
	}
	o := Outcome{Kind: OutcomeNotSent, Code: ReasonInternal, Detail: "Sinch does not know the attempt"}
	return m.notSent(a, o, retry, now)
}

// LookupsNeeded is the number of lookups that must not find an attempt before it
// counts as not sent.
const LookupsNeeded = 3

// Resend queues a message of unknown outcome again under the operator's resend
// policy. Its unresolved attempts stay.
func (m *Message) Resend(retry Retry, now time.Time) error {
	if m.Status != StatusUnknown || m.Tries >= retry.Max {
		return ErrNotWaiting
	}
	m.Tries++
	m.requeue(now)
	return m.move(now, StatusQueued, OnOutcome, "sent again by policy", 0)
}

// Restore adds an attempt that a rollback of Redis removed, as one of unknown
// outcome. The caller applies a known outcome by Conclude.
func (m *Message) Restore(lost Attempt, now time.Time) error {
	if m.Attempts >= lost.N || !m.Status.Waiting() && m.Status != StatusUnknown {
		return nil
	}
	const what = "Redis lost the record of an attempt"
	m.Attempts, lost.State = lost.N, AttemptUnknown
	m.keepCall(lost)
	m.NextAt = time.Time{}
	m.Reason = &Reason{Code: ReasonUnknownOutcome, Message: what}
	if m.Status == StatusUnknown {
		m.note(now, what, lost.N)
		return nil
	}
	return m.move(now, StatusUnknown, OnRollback, what, lost.N)
}
