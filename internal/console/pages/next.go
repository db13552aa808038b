package pages

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// step is something that will happen to a message.
type step struct {
	What   string
	At     time.Time // zero: it has no time
	Detail string
}

// stepsOf lists what will happen to a message: first what has no time, since it waits
// for something else, and then the rest by its time.
func stepsOf(m *message.Message, pauses []operator.PauseInForce, deliveries []callback.Delivery, now time.Time) []step {
	steps := attemptSteps(m, pauses, now)
	if m.Status.Waiting() && !m.ExpiresAt.IsZero() {
		steps = append(steps, step{What: "Expires", At: m.ExpiresAt, Detail: "no attempt begins after it"})
	}
	for _, d := range deliveries {
		if d.Status == callback.Pending {
			steps = append(steps, step{
				What: "Callback " + string(d.Event), At: d.NextAttemptAt, Detail: fmt.Sprintf("attempt %d", d.Attempts+1),
			})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.At.Compare(b.At) })
	return steps
}

// attemptSteps are the steps towards the next attempt, or towards its outcome.
func attemptSteps(m *message.Message, pauses []operator.PauseInForce, now time.Time) []step {
	next := fmt.Sprintf("Attempt %d", m.Attempts+1)
	switch m.Status {
	case message.StatusScheduled:
		if !m.HeldUntil.IsZero() {
			return []step{{What: "Quiet hours end", At: m.HeldUntil, Detail: "it is queued then"}}
		}
		return []step{{What: "Queued", At: m.NextAt, Detail: "its sendAt"}}
	case message.StatusQueued:
		steps := pauseSteps(m, pauses)
		if m.NextAt.After(now) {
			return append(steps, step{What: next, At: m.NextAt, Detail: "not earlier"})
		}
		return append(steps, step{What: next, Detail: "as soon as the pace and the workers allow"})
	case message.StatusSending:
		if a := m.Current(); a != nil {
			return []step{{What: fmt.Sprintf("Outcome of attempt %d", a.N), At: a.Deadline, Detail: "at the latest"}}
		}
	case message.StatusSent:
		return []step{{What: "Receipt", Detail: "Sinch or the carrier may never send one"}}
	case message.StatusUnknown:
		return []step{{What: "Lookup or receipt", Detail: "whichever first shows what Sinch did"}}
	default:
	}
	return nil
}

// pauseSteps are the ends of the pauses that a message waits for.
func pauseSteps(m *message.Message, pauses []operator.PauseInForce) []step {
	var steps []step
	for _, p := range pauses {
		scope := pause.Scope(p.Scope)
		_, covered := pause.Set{pause.Pause{Scope: scope}.Key(): pause.Pause{Scope: scope}}.Match(m)
		switch {
		case covered:
			steps = append(steps, step{
				What: "Pause of " + maskedScope(p.Scope) + " ends", Detail: "when it is resumed; " + p.Actor + ": " + p.Reason,
			})
		case p.ProbeAt != nil && !m.Scope.Test: // of Sinch's account; test messages do not use it
			steps = append(steps, step{What: "Sinch is probed", At: *p.ProbeAt, Detail: cmp.Or(p.Reason, "calls are paused")})
		}
	}
	return steps
}
