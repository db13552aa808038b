package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
	"mmsdispatch/internal/tracing"
)

// attempt begins a call, makes it and records its outcome.
func (h *Handler) attempt(ctx context.Context, seen ledger.Snapshot, task int, content payload, permit *throttle.Permit) error {
	m := seen.Message
	h.worker.track(m.ID)
	defer h.worker.untrack(m.ID)
	provider := h.providers.For(m)
	origin := provider.Origin()
	span := h.tracer.From(ctx).Call(string(origin.API), origin.BaseURL)
	begun, a, deadline, err := h.begin(ctx, seen, task, content, origin, span)
	if err != nil {
		span.NotBegun()
		permit.Release(ctx)
		return h.notBegun(ctx, m, begun, err)
	}
	outcome, took := h.call(ctx, provider, begun.Message, a, wireMessage(begun.Message, a, content, deadline))
	h.worker.calls.concluded(m.ID, a.N, outcome)
	h.block(begun.Message, a, outcome)
	h.reportSaved(content, outcome)
	outcome = permit.Report(h.life, outcome)
	after, err := h.record(begun.After, a.N, func(m *message.Message, now time.Time) error {
		return m.Conclude(a.N, outcome, h.retry, now)
	})
	span.Outcome(outcome, after)
	h.logCall(m, a, outcome, took, after)
	if err != nil {
		return later(pauseOnFault, "outcome not recorded yet")
	}
	if !after.Status.Waiting() || after.Task != task {
		return nil
	}
	if ctx.Err() != nil { // asynq has abandoned the task
		if err := h.queue.Dispatch(context.WithoutCancel(ctx), after); err != nil {
			h.log.Warn().Err(err).Str("message_id", string(m.ID)).Msg("task not enqueued; the sweeper will enqueue it")
		}
	}
	return later(after.NextAt.Sub(after.UpdatedAt), "next try")
}

// UnconfirmedFor is the time within which a begin without a reply may still reach
// Redis: it can wait in a socket of a frozen server.
const UnconfirmedFor = time.Minute

// begin records the attempt. The local deadline counts from before the write, so
// that it is never later than the recorded one.
func (h *Handler) begin(ctx context.Context, seen ledger.Snapshot, task int, content payload, origin sinch.Origin, span *tracing.Span) (
	ledger.Begun, message.Attempt, time.Time, error,
) {
	start := time.Now()
	a := message.Attempt{
		Worker: h.worker.ID, API: string(origin.API), BaseURL: origin.BaseURL, Account: origin.Account,
	}
	n := 0
	begin := func(m *message.Message, now time.Time) error {
		if err := h.quietHours(m, now); err != nil {
			return err
		}
		a.Deadline = now.Add(h.timing.Call)
		err := m.Begin(task, a, now)
		if err == nil && hasStill(content.media) {
			m.NoteStill(now)
		}
		n = m.Attempts
		span.Of(m)
		return err
	}
	begun, err := h.ledger.Begin(ctx, seen, begin, h.worker.Lease())
	if errors.Is(err, ledger.ErrSuppressed) {
		if err := h.clear(ctx, seen.Message); err != nil {
			return begun, a, time.Time{}, err
		}
		start = time.Now()
		begun, err = h.ledger.Begin(ctx, seen.Cleared(), begin, h.worker.Lease())
	}
	if errors.Is(err, ledger.ErrUnavailable) {
		h.worker.AddUnconfirmed(seen.Message.ID, n, start.Add(UnconfirmedFor))
	}
	if err != nil {
		return begun, a, time.Time{}, fmt.Errorf("begin: %w", err)
	}
	a = *begun.Message.Current()
	span.Begun(begun.Message, a)
	h.worker.begun(begun, a)
	return begun, a, start.Add(a.Deadline.Sub(begun.Now)), nil
}

// notBegun ends or reschedules the task of a call that may not be made.
func (h *Handler) notBegun(ctx context.Context, read *message.Message, begun ledger.Begun, err error) error {
	switch {
	case errors.Is(err, ledger.ErrRollback):
		h.worker.markRolledBack()
		return later(pauseOnFault, "Redis was rolled back")
	case errors.Is(err, ledger.ErrUnavailable):
		h.log.Warn().Err(err).Str("message_id", string(read.ID)).Msg("call not begun")
		return later(pauseOnFault, "ledger unavailable")
	case errors.Is(err, ledger.ErrCanceled):
		return h.end(ctx, read, h.ledger.CancelWithBatch)
	case errors.Is(err, errSuppressed):
		return h.end(ctx, read, (*message.Message).Suppress)
	case errors.Is(err, errNotCleared):
		return later(pauseOnFault, "opt-outs unavailable")
	case errors.Is(err, ledger.ErrNotFound) || begun.Message == nil:
		return nil
	default:
		return h.notReady(ctx, begun.Message, begun.Now, err)
	}
}

// end ends a message for which no attempt may begin: it has expired, its batch was
// canceled or its recipient has opted out. A message that was replayed since it
// was read is not changed: its new task decides again.
func (h *Handler) end(ctx context.Context, read *message.Message, change ledger.Change) error {
	_, err := h.ledger.Update(ctx, read.ID, func(m *message.Message, now time.Time) error {
		if err := m.CheckTask(read.Task); err != nil {
			return err
		}
		return change(m, now)
	})
	if errors.Is(err, ledger.ErrUnavailable) {
		return later(pauseOnFault, "ledger unavailable")
	}
	return nil
}

// call makes the one call of an attempt. Neither the end of the task's time
// nor a stopping worker cuts it short.
func (h *Handler) call(
	ctx context.Context, p sinch.Provider, m *message.Message, a message.Attempt, on sinch.Message,
) (outcome message.Outcome, took time.Duration) {
	start := time.Now()
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error().Str("message_id", string(m.ID)).Bytes("stack", debug.Stack()).Msg("provider panicked")
			outcome = message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonInternal, Detail: "fault in the call"}
		}
		took = time.Since(start)
		h.metrics.Attempt(a.API, string(outcome.Kind), took)
	}()
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), on.Deadline)
	defer cancel()
	ctx, phases := sinch.WithPhases(ctx)
	outcome = p.Send(ctx, on)
	outcome.Phases = phases.Last()
	return outcome, 0
}

// wireMessage is the message for the provider.
func wireMessage(m *message.Message, a message.Attempt, content payload, deadline time.Time) sinch.Message {
	return sinch.Message{
		Ref: a.Ref(m.ID), To: m.Content.To, From: m.From, Subject: m.Content.Subject, Text: m.Content.Text,
		Media: content.media, SavedID: content.savedID, FallbackText: m.Content.FallbackText, ExpiresAt: m.ExpiresAt, Deadline: deadline,
	}
}

// Pauses between attempts to record an outcome.
const (
	recordPause    = 50 * time.Millisecond
	recordPauseMax = time.Second
)

// record records the outcome. It repeats the write until Redis acknowledges it or
// the process has to end.
func (h *Handler) record(begun ledger.Snapshot, n int, conclude ledger.Change) (*message.Message, error) {
	pause := recordPause
	for {
		after, err := h.ledger.UpdateFrom(h.life, begun, conclude)
		if err == nil {
			return after, nil
		}
		if !errors.Is(err, ledger.ErrUnavailable) {
			h.log.Error().Err(err).Str("message_id", string(begun.Message.ID)).Int("attempt", n).Msg("outcome cannot be recorded")
			return nil, fmt.Errorf("record outcome: %w", err)
		}
		select {
		case <-h.life.Done():
			return nil, fmt.Errorf("record outcome: %w", err)
		case <-time.After(pause):
			pause = min(2*pause, recordPauseMax)
		}
	}
}
