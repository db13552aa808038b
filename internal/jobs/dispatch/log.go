package dispatch

import (
	"time"

	"mmsdispatch/internal/message"
)

// next is what follows an attempt, as its line of the log says.
type next string

// What follows.
const (
	nextRetry     next = "retry"     // another attempt, at next_at
	nextReceipt   next = "receipt"   // Sinch has accepted it: a receipt says what became of it
	nextReconcile next = "reconcile" // the outcome is unknown: a receipt, lookups or UNKNOWN_POLICY decide
	nextNone      next = "none"      // the state is final
	nextRecover   next = "recover"   // the outcome could not be recorded: the sweeper recovers the message
)

// nextOf is what follows for a message as it was recorded; nil: it could not be.
func nextOf(after *message.Message) next {
	switch {
	case after == nil:
		return nextRecover
	case after.Status.Waiting():
		return nextRetry
	case after.Status == message.StatusUnknown:
		return nextReconcile
	case after.Status == message.StatusSent:
		return nextReceipt
	default:
		return nextNone
	}
}

// waitedBefore is how long a message was in the queue after it was due.
func waitedBefore(before *message.Message, a message.Attempt) time.Duration {
	due := before.UpdatedAt
	if before.NextAt.After(due) {
		due = before.NextAt
	}
	return max(0, a.Begun.Sub(due))
}

// logCall counts a call and writes its line: how long before was in the queue once it was
// due, how the call ended and what follows. after is the message as it was recorded;
// nil: it could not be.
func (h *Handler) logCall(before *message.Message, a message.Attempt, o message.Outcome, took time.Duration, after *message.Message) {
	waited := waitedBefore(before, a)
	h.metrics.Concluded(a.API, before.Content.Priority, o, waited)
	line := h.log.Info().Str("message_id", string(before.ID)).Str("tenant", before.Scope.Tenant).
		Str("lane", string(before.Content.Priority)).Int("attempt", a.N).Str("api", a.API).Str("outcome", string(o.Kind)).
		Str("code", string(o.Code)).Str("sinch_code", o.SinchCode).Dur("waited_ms", waited).Dur("took_ms", took)
	if before.BatchID != "" {
		line.Str("batch_id", string(before.BatchID))
	}
	if a.Call != "" {
		line.Str("call", a.Call)
	}
	if before.Trace != "" {
		line.Str("trace_id", before.Trace.ID())
	}
	if after != nil {
		line.Str("status", string(after.Status))
	}
	decision := nextOf(after)
	line.Str("next", string(decision))
	if decision == nextRetry {
		at := after.UpdatedAt // at once
		if after.NextAt.After(at) {
			at = after.NextAt
		}
		line.Str("next_at", at.UTC().Format(timeLayout)).Dur("retry_in_ms", at.Sub(after.UpdatedAt))
	}
	line.Msg("call")
}

// timeLayout is RFC 3339 in milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"
