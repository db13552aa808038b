package dispatch

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Quiet decides which messages wait for the end of quiet hours.
type Quiet interface {
	// Hold returns until when a message waits that could be sent at a time; zero: it
	// may be sent then.
	Hold(c *message.Content, at time.Time) message.Held
}

// never is the Quiet of a worker without quiet hours.
type never struct{}

// Hold implements Quiet.
func (never) Hold(*message.Content, time.Time) message.Held { return message.Held{} }

// holdError says that a message waits for a time that it did not choose.
type holdError struct {
	why  string
	hold func(m *message.Message, now time.Time) error
}

// Error implements error.
func (e *holdError) Error() string { return "waits: " + e.why }

// change parks a message that still waits for the task.
func (e *holdError) change(task int) ledger.Change {
	return func(m *message.Message, now time.Time) error {
		if err := m.CheckTask(task); err != nil {
			return err
		}
		return e.hold(m, now)
	}
}

// dayOver holds messages whose sender has used up its day.
func dayOver(why string, until time.Time) *holdError {
	return &holdError{why: why, hold: func(m *message.Message, now time.Time) error {
		return m.Hold("waits: "+why+", until "+until.UTC().Format(time.RFC3339), until, now)
	}}
}

// quietHours returns a *holdError for a message that must not be sent at now, which
// is Redis' time, since it is quiet hours where its recipient is.
func (h *Handler) quietHours(m *message.Message, now time.Time) error {
	held := h.quiet.Hold(&m.Content, now)
	if held.Until.IsZero() {
		return nil
	}
	return &holdError{why: "quiet hours", hold: func(m *message.Message, now time.Time) error { return m.HoldQuiet(held, now) }}
}

// hold parks a message.
func (h *Handler) hold(ctx context.Context, seen ledger.Snapshot, task int, e *holdError) error {
	after, err := h.ledger.UpdateFrom(ctx, seen, e.change(task))
	return held(after, e, err)
}

// holdUnread is hold for a message that may have changed since it was read.
func (h *Handler) holdUnread(ctx context.Context, m *message.Message, e *holdError) error {
	after, err := h.ledger.Update(ctx, m.ID, e.change(m.Task))
	return held(after, e, err)
}

// held decides when the task of a message that was parked comes again.
func held(after *message.Message, e *holdError, err error) error {
	switch {
	case errors.Is(err, ledger.ErrUnavailable):
		return later(pauseOnFault, "ledger unavailable")
	case err != nil:
		return nil //nolint:nilerr // it waits no more, or for another task
	default:
		return later(after.NextAt.Sub(after.UpdatedAt), e.why)
	}
}

// holdGroup parks the members of a group that are ready.
func (h *Handler) holdGroup(ctx context.Context, run *groupRun, e *holdError) error {
	run.add = append(run.add, h.changeEach(ctx, run.ready, func(i int) ledger.Change { return e.change(run.ready[i].Message.Task) })...)
	return nil
}

// holdQuiet parks those members of a group for which it is quiet hours.
func (h *Handler) holdQuiet(ctx context.Context, run *groupRun, now time.Time) {
	var quiet []ledger.Snapshot
	var holds []*holdError
	awake := run.ready[:0]
	for _, seen := range run.ready {
		if e, ok := errors.AsType[*holdError](h.quietHours(seen.Message, now)); ok {
			quiet, holds = append(quiet, seen), append(holds, e)
			continue
		}
		awake = append(awake, seen)
	}
	run.ready = awake
	run.add = append(run.add, h.changeEach(ctx, quiet, func(i int) ledger.Change { return holds[i].change(quiet[i].Message.Task) })...)
}
