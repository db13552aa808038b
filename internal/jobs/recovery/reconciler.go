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

// lookupFailed is the pause after Sinch could not be asked.
const lookupFailed = 5 * time.Second

// shortestPause is the shortest pause between two lookups. It comes on top of
// longer ones, too, so that the last one is not a moment too early.
const shortestPause = 20 * time.Millisecond

// lookupsAtMost ends the lookups when absence resolves nothing.
const lookupsAtMost = 20

// reconciler decides what became of calls whose outcome is unknown.
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

// margin is what is added to an attempt's deadline before it counts as over.
func (t *reconciler) margin() time.Duration { return deadlineSlack }

// reconcile reconciles one message of unknown outcome and returns when to check
// it again; zero: only a receipt or an operator can resolve it.
func (t *reconciler) reconcile(ctx context.Context, q *lookupSession, m *message.Message, now time.Time) (time.Time, error) {
	provider, elsewhere := t.providers.For(m), false
	for _, a := range m.Unresolved() {
		elsewhere = elsewhere || !asked(provider.Origin(), a)
		over := a.Deadline.Add(t.margin())
		if now.Before(over) {
			return over, nil
		}
		if f, ok := provider.(finder); ok && asked(provider.Origin(), a) {
			return t.lookup(ctx, q, f, m, a, now)
		}
	}
	again, err := t.resend(ctx, m, now)
	if elsewhere && again.IsZero() && err == nil {
		again = now.Add(askElsewhere)
	}
	return again, err
}

// asked reports whether a call went where the provider would ask.
func asked(o sinch.Origin, a message.Attempt) bool {
	return string(o.API) == a.API && o.BaseURL == a.BaseURL && o.Account == a.Account
}

// askElsewhere is when to check a call again that went where this process
// does not ask: another one may sweep then, as while a setting is rolled out.
const askElsewhere = time.Minute

// lookup asks Sinch about one call.
func (t *reconciler) lookup(
	ctx context.Context, q *lookupSession, f finder, m *message.Message, a message.Attempt, now time.Time,
) (time.Time, error) {
	if a.Lookups >= lookupsAtMost && t.policy.LookupWindow <= 0 {
		return time.Time{}, nil
	}
	began := time.Now()
	said := q.find(ctx, f, m, a)
	now = now.Add(time.Since(began))
	switch {
	case said.err == nil:
		return t.take(ctx, m.ID, a.N, said, now)
	case errors.Is(said.err, sinch.ErrNotKept):
		t.log.Warn().Str("message_id", string(m.ID)).Int("attempt", a.N).Msg("Sinch keeps nothing to look up")
		return t.resend(ctx, m, now)
	case ctx.Err() != nil:
		return time.Time{}, fmt.Errorf("look up: %w", said.err)
	case !errors.Is(said.err, errSilent):
		t.log.Warn().Err(said.err).Str("message_id", string(m.ID)).Int("attempt", a.N).Msg("lookup failed")
	}
	return now.Add(lookupFailed), nil
}

// take takes in what Sinch said of a call.
func (t *reconciler) take(ctx context.Context, id message.ID, n int, said answer, now time.Time) (time.Time, error) {
	kind, seen := CallFound, message.Absence{}
	if !said.found {
		var wait time.Duration
		if seen, wait = t.absences.add(id, n, said.asked); wait > 0 {
			return now.Add(wait), nil
		}
		kind = CallAbsent
	}
	after, err := t.recover(ctx, kind, id, func(m *message.Message, now time.Time) error {
		if said.found {
			return m.Conclude(n, message.Outcome{Kind: message.OutcomeAccepted, SinchID: said.id}, t.retry, now)
		}
		return m.Absent(n, seen, t.policy.LookupWindow, t.retry, now.Add(-time.Since(said.asked))) // others may have asked before
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

// resend follows the operator's policy for what cannot be asked.
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

// recover is change for a recovery. It is counted by the process that moved the
// message: others may have looked at it at the same time.
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

// change updates a message and makes the task that follows when it waits now.
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
