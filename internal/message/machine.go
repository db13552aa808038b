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

// Errors of an attempt that cannot begin.
var (
	// ErrNotWaiting is returned when an attempt is in progress or the message is final.
	ErrNotWaiting = errors.New("message does not wait for an attempt")
	// ErrTooEarly is returned before NextAt.
	ErrTooEarly = errors.New("message waits for a later time")
	// ErrExpired is returned from ExpiresAt on: Expire ends the message.
	ErrExpired = errors.New("message has expired")
	// ErrStaleTask is returned when the message has a task of a newer generation.
	ErrStaleTask = errors.New("task has been replaced by a newer one")
)

// CheckTask returns nil when the message still waits for the task of generation
// task. A change that follows from an earlier reading of a waiting message begins
// with it: a replay in between has started a new generation.
func (m *Message) CheckTask(task int) error {
	switch {
	case !m.Status.Waiting() || !m.RedactedAt.IsZero(): // there is nothing to send
		return ErrNotWaiting
	case task != m.Task:
		return ErrStaleTask
	default:
		return nil
	}
}

// Ready returns nil when the task of generation task may begin an attempt now.
func (m *Message) Ready(task int, now time.Time) error {
	if err := m.CheckTask(task); err != nil {
		return err
	}
	switch {
	case m.expired(now):
		return ErrExpired
	case now.Before(m.NextAt):
		return ErrTooEarly
	default:
		return nil
	}
}

// expired reports whether ExpiresAt has come.
func (m *Message) expired(now time.Time) bool {
	return !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt)
}

// Begin records attempt a before its request is written, and sets a.N.
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
	m.Deferrals = 0
	a.N, a.State, a.Begun = m.Attempts, AttemptCalling, now
	m.keepCall(a)
	m.NextAt = time.Time{}
	return m.move(now, StatusSending, OnBegin, "attempt begun", a.N)
}

// NoteStill notes that the message carries a still picture in place of an animation
// that does not fit; once.
func (m *Message) NoteStill(now time.Time) {
	const detail = "an animated picture is sent as a still: it does not fit"
	if !m.isDuplicate(detail, 0) {
		m.note(now, detail, 0)
	}
}

// Refuse ends a waiting message that fails a check of this service.
func (m *Message) Refuse(reason Reason, now time.Time) error {
	if m.Status == StatusScheduled {
		if err := m.move(now, StatusQueued, OnDue, "due", 0); err != nil {
			return err
		}
	}
	return m.fail(reason, OnRefuse, 0, now)
}

// Defer parks a waiting message because a check before the attempt could not be
// made. After retry.Max deferrals in a row the message fails.
func (m *Message) Defer(reason Reason, retry Retry, now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.Deferrals++
	if m.Deferrals > retry.Max {
		return m.Refuse(reason, now)
	}
	if m.Status == StatusScheduled {
		if err := m.move(now, StatusQueued, OnDue, "due", 0); err != nil {
			return err
		}
	}
	m.Reason = &reason
	m.park(now.Add(retry.Delay(m.Deferrals)))
	m.note(now, describe("deferred", reason), 0)
	return nil
}

// Hold parks a waiting message until a time, for a limit that is not its own: it is
// no deferral.
func (m *Message) Hold(detail string, until, now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	if m.Status == StatusScheduled {
		if err := m.move(now, StatusQueued, OnDue, "due", 0); err != nil {
			return err
		}
	}
	m.park(until)
	m.note(now, detail, 0)
	return nil
}

// park sets the time of the next attempt, at most ExpiresAt: a later one would
// only delay the end of the message.
func (m *Message) park(until time.Time) {
	m.NextAt = until
	if !m.ExpiresAt.IsZero() && m.ExpiresAt.Before(until) {
		m.NextAt = m.ExpiresAt
	}
}

// Expire ends a waiting message whose ExpiresAt has come, and changes no other.
func (m *Message) Expire(now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	if !m.expired(now) {
		return nil
	}
	return m.stop(StatusExpired, OnExpire, Reason{Code: ReasonExpired, Message: "expired before it could be sent"}, now)
}

// Cancel ends a waiting message. Canceling twice is no error. A message with an
// unresolved attempt becomes unknown instead of canceled.
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

// stop ends a waiting message, as unknown when an attempt of it is unresolved.
func (m *Message) stop(to Status, on Trigger, reason Reason, now time.Time) error {
	m.NextAt = time.Time{}
	if m.unresolved() {
		return m.endUnknown(on, now)
	}
	if reason.Code != "" {
		m.Reason = &reason
	}
	return m.move(now, to, on, string(to), 0)
}

// endUnknown ends a message as unknown: Sinch may have accepted an earlier
// attempt of it.
func (m *Message) endUnknown(on Trigger, now time.Time) error {
	m.Reason = &Reason{Code: ReasonUnknownOutcome, Message: "Sinch may have accepted an earlier attempt"}
	return m.move(now, StatusUnknown, on, "stopped while the outcome of an earlier attempt is unknown", 0)
}

// fail ends a message that Sinch never accepted.
func (m *Message) fail(reason Reason, on Trigger, attempt int, now time.Time) error {
	m.NextAt = time.Time{}
	if m.unresolved() {
		return m.endUnknown(on, now)
	}
	m.Reason = &reason
	return m.move(now, StatusFailed, on, describe("failed", reason), attempt)
}

// Replay queues a message again. A message of unknown outcome needs force,
// because the replay may double it. expiresAt replaces an ExpiresAt that has
// passed; zero: no expiry. A message that was never attempted and whose sendAt
// has not come is scheduled again. A message whose content was dropped cannot be
// replayed.
func (m *Message) Replay(force bool, expiresAt, now time.Time) error {
	if !m.RedactedAt.IsZero() {
		return ErrNotReplayable
	}
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
	m.Group = ""
	m.replay()
	if m.Attempts == 0 && m.Content.SendAt.After(now) {
		m.requeue(m.Content.SendAt)
		return m.move(now, StatusScheduled, OnReplay, replayed, 0)
	}
	m.requeue(now)
	return m.move(now, StatusQueued, OnReplay, replayed, 0)
}

// replayed is the detail of a replay's entry.
const replayed = "replayed"

// requeue starts a new generation of the task, which voids an older one.
func (m *Message) requeue(at time.Time) {
	m.Task++
	m.NextAt = at
}

// describe joins an event with its reason and Sinch's code.
func describe(what string, reason Reason) string {
	s := what + ": " + cmp.Or(reason.Message, string(reason.Code))
	if reason.SinchCode != "" {
		s += " (" + reason.SinchCode + ")"
	}
	return s
}

// Reissue starts a new generation of the task of a waiting message.
func (m *Message) Reissue(now time.Time) error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.Task++
	m.UpdatedAt = now
	return nil
}
