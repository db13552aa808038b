package dispatch

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// dayError says that the sender of a message has used up its day.
type dayError struct {
	until time.Time
	why   string
}

// Error implements error.
func (e *dayError) Error() string { return "waits: " + e.why }

// change parks a message until the day is over.
func (e *dayError) change(task int) ledger.Change {
	return func(m *message.Message, now time.Time) error {
		if err := m.CheckTask(task); err != nil {
			return err
		}
		return m.Hold("waits: "+e.why+", until "+e.until.UTC().Format(time.RFC3339), e.until, now)
	}
}

// hold parks a message until the day of its sender is over.
func (h *Handler) hold(ctx context.Context, seen ledger.Snapshot, task int, e *dayError) error {
	after, err := h.ledger.UpdateFrom(ctx, seen, e.change(task))
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
func (h *Handler) holdGroup(ctx context.Context, run *groupRun, e *dayError) error {
	run.add = append(run.add, h.changeEach(ctx, run.ready, func(i int) ledger.Change { return e.change(run.ready[i].Message.Task) })...)
	return nil
}
