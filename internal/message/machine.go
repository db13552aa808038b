package message

import (
	"cmp"
	"errors"
	"time"
)

// Errors of the caller's commands.
var (
	ErrNotCancelable = errors.New("message cannot be canceled any more")
	ErrNotReplayable = errors.New("message cannot be replayed in its state")
	ErrForceRequired = errors.New("replaying a message of unknown outcome may double it and has to be forced")
	ErrNeverSent     = errors.New("message would expire before its sendAt")
)

// Errors of a worker that wants to begin an attempt.
var (
	// ErrNotWaiting says that somebody else has the message, or that it is done.
	ErrNotWaiting = errors.New("message does not wait for a call")
	// ErrTooEarly says that NextAt is still to come.
	ErrTooEarly = errors.New("message waits for a later time")
	// ErrExpired says that ExpiresAt has passed: Expire it.
	ErrExpired = errors.New("message has expired")
	// ErrStaleTask says that a newer task stands for the message.
	ErrStaleTask = errors.New("task has been replaced by a newer one")
)

// Ready tells whether the message may be called now by task number task.
func (m *Message) Ready(task int, now time.Time) error {
	switch {
	case !m.Status.Waiting():
		return ErrNotWaiting
	case task != m.Task:
		return ErrStaleTask
	case !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt):
		return ErrExpired
	case now.Before(m.NextAt):
		return ErrTooEarly
	default:
		return nil
	}
}

// Begin writes an attempt down before its call leaves. a.N is set here.
func (m *Message) Begin(task int, a Attempt, now time.Time) error {
	if err := m.Ready(task, now); err != nil {
		return err
	}
	if m.Status == StatusScheduled {
		if err := m.move(now, StatusQueued, OnDue, "due", 0); err != nil {
			return err
		}
	}
	m.Attempts++
	m.PutOffs = 0
	a.N, a.State, a.Begun = m.Attempts, AttemptCalling, now
	m.remember(a)
	m.NextAt = time.Time{}
	return m.move(now, StatusSending, OnBegin, "call begun", a.N)
}

// Refuse ends a waiting message because of a check of our own.
func (m *Message) Refuse(reason Reason, now time.Time) error {
	if m.Status == StatusScheduled {
		if err := m.move(now, StatusQueued, OnDue, "due", 0); err != nil {
			return err
		}
	}
	return m.fail(reason, OnRefuse, 0, now)
}

// PutOff has a waiting message wait longer, because a check of our own could
// not be made now. retry says how often in a row; then the message fails.
func (m *Message) PutOff(reason Reason, retry Retry, now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.PutOffs++
	if m.PutOffs > retry.Max {
		return m.Refuse(reason, now)
	}
	if m.Status == StatusScheduled {
		if err := m.move(now, StatusQueued, OnDue, "due", 0); err != nil {
			return err
		}
	}
	m.Reason = &reason
	m.rest(now.Add(retry.Delay(m.PutOffs)))
	m.note(now, describe("put off", reason), 0)
	return nil
}

// rest has a waiting message wait until then, but not beyond its expiry: there
// is nothing to wait for after it, and it is to be noticed.
func (m *Message) rest(until time.Time) {
	m.NextAt = until
	if !m.ExpiresAt.IsZero() && m.ExpiresAt.Before(until) {
		m.NextAt = m.ExpiresAt
	}
}

// Expire ends a waiting message whose time is over.
func (m *Message) Expire(now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	return m.stop(StatusExpired, OnExpire, Reason{Code: ReasonExpired, Message: "expired before it could be sent"}, now)
}

// Cancel takes a waiting message back. Canceling twice is no error. A message
// with an unresolved call behind it stops waiting, too, but is unknown then.
func (m *Message) Cancel(now time.Time) error {
	switch {
	case m.Status == StatusCanceled:
		return nil
	case !m.Status.Waiting():
		return ErrNotCancelable
	default:
		m.Reason = nil
		return m.stop(StatusCanceled, OnCancel, Reason{}, now)
	}
}

// stop ends a waiting message, honestly where a call behind it is unresolved.
func (m *Message) stop(to Status, on Trigger, reason Reason, now time.Time) error {
	m.NextAt = time.Time{}
	if m.unresolved() && m.Status == StatusQueued {
		return m.doubt(on, now)
	}
	if reason.Code != "" {
		m.Reason = &reason
	}
	return m.move(now, to, on, string(to), 0)
}

// doubt leaves a message unknown that can no longer be tried, because one of
// its calls may have been accepted.
func (m *Message) doubt(on Trigger, now time.Time) error {
	m.Reason = &Reason{Code: ReasonUnknownOutcome, Message: "an earlier call may have been accepted"}
	return m.move(now, StatusUnknown, on, "stopped while the outcome of an earlier call is unknown", 0)
}

// fail ends a message that Sinch never accepted.
func (m *Message) fail(reason Reason, on Trigger, attempt int, now time.Time) error {
	m.NextAt = time.Time{}
	if m.unresolved() {
		return m.doubt(on, now)
	}
	m.Reason = &reason
	return m.move(now, StatusFailed, on, describe("failed", reason), attempt)
}

// Replay starts a message anew. force is needed when the outcome of a call is
// unknown, because the replay may double it. expiresAt replaces a time that
// has passed; zero: no expiry. A message whose time has not come waits for it.
func (m *Message) Replay(force bool, expiresAt, now time.Time) error {
	switch m.Status {
	case StatusFailed, StatusExpired, StatusUndelivered, StatusCanceled:
	case StatusUnknown:
		if !force {
			return ErrForceRequired
		}
	default:
		return ErrNotReplayable
	}
	if !expiresAt.IsZero() && !expiresAt.After(m.Content.SendAt) {
		return ErrNeverSent
	}
	if !expiresAt.IsZero() || !now.Before(m.ExpiresAt) {
		m.ExpiresAt = expiresAt
	}
	m.Reason, m.SinchID, m.SentAs, m.SentAt = nil, "", "", time.Time{}
	m.Replayed, m.Tries, m.Delays = m.Attempts, 0, 0
	m.PutOffs, m.Group = 0, ""
	m.Replays++
	if m.Attempts == 0 && m.Content.SendAt.After(now) {
		m.requeue(m.Content.SendAt)
		return m.move(now, StatusScheduled, OnReplay, "replayed", 0)
	}
	m.requeue(now)
	return m.move(now, StatusQueued, OnReplay, "replayed", 0)
}

// requeue asks for a new task; a task that may still exist becomes void.
func (m *Message) requeue(at time.Time) {
	m.Task++
	m.NextAt = at
}

// describe joins what happened with why, and with Sinch's word for it.
func describe(what string, reason Reason) string {
	s := what + ": " + cmp.Or(reason.Message, string(reason.Code))
	if reason.SinchCode != "" {
		s += " (" + reason.SinchCode + ")"
	}
	return s
}

// Reissue makes every task that may still exist for a waiting message void,
// so that a new one can stand for it.
func (m *Message) Reissue(now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.Task++
	m.UpdatedAt = now
	return nil
}
