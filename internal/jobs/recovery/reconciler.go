package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// lookupFailed is the pause after a failed lookup.
const lookupFailed = 5 * time.Second

// shortestPause is the shortest pause between two lookups. It is added to longer
// ones, too, so that the last lookup is not a moment before the end of the window.
const shortestPause = 20 * time.Millisecond

// lookupsAtMost ends the lookups when absence does not resolve an attempt.
const lookupsAtMost = 20

// reconciler resolves calls whose outcome is unknown.
type reconciler struct {
	ledger    *ledger.Ledger
	queue     *queue.Queue
	providers dispatch.Providers
	policy    Policy
	absences  *absences
	retry     message.Retry
	metrics   Metrics
	log       zerolog.Logger
}

// margin is the time after its deadline from which an attempt counts as over.
func (t *reconciler) margin() time.Duration { return deadlineSlack }

// reconcile reconciles one message of unknown outcome and returns when to check
// it again; zero: only a receipt or an operator can resolve it.
func (t *reconciler) reconcile(ctx context.Context, q *lookupSession, m *message.Message, now time.Time) (time.Time, error) {
	provider, elsewhere := t.providers.For(m), false
	for _, a := range m.Unresolved() {
		elsewhere = elsewhere || !isOf(provider.Origin(), a)
		over := a.Deadline.Add(t.margin())
		if now.Before(over) {
			return over, nil
		}
		if f, ok := provider.(finder); ok && isOf(provider.Origin(), a) {
			return t.lookup(ctx, q, f, m, a, now)
		}
	}
	again, err := t.resend(ctx, m, now)
	if elsewhere && again.IsZero() && err == nil {
		again = now.Add(recheckElsewhere)
	}
	return again, err
}

// isOf reports whether an attempt was made at an origin.
func isOf(o sinch.Origin, a message.Attempt) bool {
	return string(o.API) == a.API && o.BaseURL == a.BaseURL && o.Account == a.Account
}

// recheckElsewhere is the pause before a call of another origin is checked again:
// a process with that origin may sweep then, as during the rollout of a setting.
const recheckElsewhere = time.Minute

// lookup looks up one call at Sinch.
func (t *reconciler) lookup(
	ctx context.Context, q *lookupSession, f finder, m *message.Message, a message.Attempt, now time.Time,
) (time.Time, error) {
	if a.Lookups >= lookupsAtMost && t.policy.LookupWindow <= 0 {
		return time.Time{}, nil
	}
	began := time.Now()
	result := q.find(ctx, f, m, a)
	now = now.Add(time.Since(began))
	switch {
	case result.err == nil:
		return t.apply(ctx, m.ID, a.N, result, now)
	case errors.Is(result.err, sinch.ErrNotKept):
		t.log.Warn().Str("message_id", string(m.ID)).Int("attempt", a.N).Msg("Sinch does not keep the attempt for lookups")
		return t.resend(ctx, m, now)
	case ctx.Err() != nil:
		return time.Time{}, fmt.Errorf("look up: %w", result.err)
	case !errors.Is(result.err, errUnresponsive):
		t.log.Warn().Err(result.err).Str("message_id", string(m.ID)).Int("attempt", a.N).Msg("lookup failed")
	}
	return now.Add(lookupFailed), nil
}

// apply records the result of a lookup and returns the time of the next one.
func (t *reconciler) apply(ctx context.Context, id message.ID, n int, result lookupResult, now time.Time) (time.Time, error) {
	kind, seen := CallFound, message.Absence{}
	if !result.found {
		var wait time.Duration
		if seen, wait = t.absences.add(id, n, result.began); wait > 0 {
			return now.Add(wait), nil
		}
		kind = CallAbsent
	}
	after, err := t.recover(ctx, kind, id, func(m *message.Message, now time.Time) error {
		if result.found {
			return m.Conclude(n, message.Outcome{Kind: message.OutcomeAccepted, SinchID: result.id}, t.retry, now)
		}
		// The result may be that of an earlier message, hence the time of its begin.
		return m.Absent(n, seen, t.policy.LookupWindow, t.retry, now.Add(-time.Since(result.began)))
	})
	if err != nil {
		return now.Add(lookupFailed), err
	}
	if after.Status != message.StatusUnknown {
		t.absences.drop(id, n)
		return time.Time{}, nil
	}
	return latest(t.nextLookup(after, n), now).Add(shortestPause), nil
}

// nextLookup divides the window evenly among the lookups that it needs.
func (t *reconciler) nextLookup(m *message.Message, n int) time.Time {
	for _, a := range m.Calls {
		if a.N == n {
			return a.LookupAt.Add(t.policy.LookupWindow * time.Duration(a.Lookups) / (message.LookupsNeeded - 1))
		}
	}
	return time.Time{}
}

// resend applies the operator's policy to a call that cannot be looked up.
func (t *reconciler) resend(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	if t.policy.Unknown != Resend {
		return time.Time{}, nil
	}
	var last time.Time
	for _, a := range m.Unresolved() {
		last = latest(last, a.Deadline)
	}
	if at := last.Add(t.policy.ReconcileAfter); now.Before(at) {
		return at, nil
	}
	_, err := t.recover(ctx, Resent, m.ID, func(m *message.Message, now time.Time) error { return m.Resend(t.retry, now) })
	if errors.Is(err, message.ErrNotWaiting) {
		return time.Time{}, nil
	}
	if err != nil {
		return now.Add(lookupFailed), err
	}
	return time.Time{}, nil
}

// recover is change for a recovery. Only the process that changed the state counts
// it: others may check the message at the same time.
func (t *reconciler) recover(ctx context.Context, kind string, id message.ID, change ledger.Change) (*message.Message, error) {
	var before message.Status
	m, err := t.change(ctx, id, func(m *message.Message, now time.Time) error {
		before = m.Status
		return change(m, now)
	})
	if err == nil && m.Status != before {
		t.recovered(kind, m)
	}
	return m, err
}

// change updates a message, and enqueues its task when it waits now.
func (t *reconciler) change(ctx context.Context, id message.ID, change ledger.Change) (*message.Message, error) {
	var before message.Status
	m, err := t.ledger.Update(ctx, id, func(m *message.Message, now time.Time) error {
		before = m.Status
		return change(m, now)
	})
	if err != nil {
		return m, fmt.Errorf("reconcile: %w", err)
	}
	if m.Status.Waiting() && before != m.Status {
		if err := t.queue.Dispatch(ctx, m); err != nil {
			t.log.Warn().Err(err).Str("message_id", string(id)).Msg("task not enqueued; the sweeper will enqueue it")
		}
	}
	return m, nil
}

func (t *reconciler) recovered(kind string, m *message.Message) {
	t.metrics.Recovered(kind)
	t.log.Info().Str("message_id", string(m.ID)).Str("kind", kind).Str("status", string(m.Status)).Msg("recovered")
}
