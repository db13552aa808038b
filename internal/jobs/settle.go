package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// UnknownPolicy says what becomes of a call that nobody can be asked about.
type UnknownPolicy string

// The policies.
const (
	Hold   UnknownPolicy = "hold"   // leave it to a receipt or an operator
	Resend UnknownPolicy = "resend" // send again after a while
)

// Settling says how calls of unknown outcome are settled.
type Settling struct {
	Policy         UnknownPolicy
	ReconcileAfter time.Duration // after the deadline, for Resend
	LookupWindow   time.Duration // over which look-ups must find nothing; zero: they never settle it
}

// lookFailed is the pause after Sinch could not be asked.
const lookFailed = 5 * time.Second

// shortestLook is the shortest pause between two look-ups.
const shortestLook = 20 * time.Millisecond

// looksAtMost ends the asking when absence settles nothing.
const looksAtMost = 20

// settler decides what became of calls whose outcome is unknown.
type settler struct {
	ledger    *ledger.Ledger
	queue     *Queue
	providers Providers
	settling  Settling
	retry     message.Retry
	metrics   Metrics
	log       zerolog.Logger
	answers   map[string]answer // about shared calls, in this round of the sweeper
}

// answer is what Sinch said when it was asked about a call.
type answer struct {
	id    string
	found bool
	err   error
}

// margin is what is added to an attempt's deadline before it counts as over.
func (t *settler) margin() time.Duration { return deadlineSlack }

// settle looks at one message of unknown outcome and says when to look again;
// zero: only a receipt or an operator can settle it.
func (t *settler) settle(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	provider, elsewhere := t.providers.For(m), false
	for _, a := range m.Unresolved() {
		elsewhere = elsewhere || !asked(provider.Origin(), a)
		over := a.Deadline.Add(t.margin())
		if now.Before(over) {
			return over, nil
		}
		if finder, ok := provider.(sinch.Finder); ok && asked(provider.Origin(), a) {
			return t.look(ctx, finder, m, a, now)
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

// askElsewhere is when to look again at a call that went where this process
// does not ask: another one may sweep then, as while a setting is rolled out.
const askElsewhere = time.Minute

// look asks Sinch about one call.
func (t *settler) look(
	ctx context.Context, finder sinch.Finder, m *message.Message, a message.Attempt, now time.Time,
) (time.Time, error) {
	if a.Looks >= looksAtMost && t.settling.LookupWindow <= 0 {
		return time.Time{}, nil
	}
	id, found, err := t.find(ctx, finder, m, a)
	if errors.Is(err, sinch.ErrNotKept) {
		t.log.Warn().Str("message_id", string(m.ID)).Int("attempt", a.N).Msg("Sinch keeps nothing to look up")
		return t.resend(ctx, m, now)
	}
	if err != nil {
		t.log.Warn().Err(err).Str("message_id", string(m.ID)).Int("attempt", a.N).Msg("look-up failed")
		return now.Add(lookFailed), nil
	}
	after, err := t.change(ctx, m.ID, func(m *message.Message, now time.Time) error {
		if found {
			return m.Conclude(a.N, message.Outcome{Kind: message.OutcomeAccepted, SinchID: id}, t.retry, now)
		}
		return m.Absent(a.N, t.settling.LookupWindow, t.retry, now)
	})
	if err != nil {
		return now.Add(lookFailed), err
	}
	switch {
	case found:
		t.healed(healedFound, after)
	case after.Status != message.StatusUnknown:
		t.healed(healedAbsent, after)
	}
	if after.Status != message.StatusUnknown {
		return time.Time{}, nil
	}
	return latest(t.nextLookUp(after, a.N), now.Add(shortestLook)), nil
}

// nextLookUp divides the window evenly among the looks that it needs.
func (t *settler) nextLookUp(m *message.Message, n int) time.Time {
	for _, a := range m.Calls {
		if a.N == n {
			return a.LookedAt.Add(t.settling.LookupWindow * time.Duration(a.Looks) / (message.LooksNeeded - 1))
		}
	}
	return time.Time{}
}

// newRound forgets what Sinch said: each look has to be a question of its own.
func (t *settler) newRound() { t.answers = make(map[string]answer) }

// find asks Sinch about one call; about one that messages share, once a round
// for all of them.
func (t *settler) find(ctx context.Context, finder sinch.Finder, m *message.Message, a message.Attempt) (string, bool, error) {
	if known, ok := t.answers[a.Call]; ok && a.Call != "" {
		return known.id, known.found, known.err
	}
	id, found, err := finder.Find(ctx, sinch.Call{Ref: a.Ref(m.ID), To: m.Content.To, Begun: a.Begun})
	if a.Call != "" && t.answers != nil {
		t.answers[a.Call] = answer{id, found, err}
	}
	return id, found, err
}

// resend follows the operator's policy for what cannot be asked.
func (t *settler) resend(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	if t.settling.Policy != Resend {
		return time.Time{}, nil
	}
	var last time.Time
	for _, a := range m.Unresolved() {
		last = latest(last, a.Deadline)
	}
	if at := last.Add(t.settling.ReconcileAfter); now.Before(at) {
		return at, nil
	}
	after, err := t.change(ctx, m.ID, func(m *message.Message, now time.Time) error { return m.Resend(t.retry, now) })
	if errors.Is(err, message.ErrNotWaiting) {
		return time.Time{}, nil
	}
	if err != nil {
		return now.Add(lookFailed), err
	}
	t.healed(healedResent, after)
	return time.Time{}, nil
}

// change updates a message and makes the task that follows when it waits now.
func (t *settler) change(ctx context.Context, id message.ID, change ledger.Change) (*message.Message, error) {
	var before message.Status
	m, err := t.ledger.Update(ctx, id, func(m *message.Message, now time.Time) error {
		before = m.Status
		return change(m, now)
	})
	if err != nil {
		return m, fmt.Errorf("settle: %w", err)
	}
	if m.Status.Waiting() && before != m.Status {
		missing, err := t.queue.dispatch(ctx, m)
		switch {
		case err != nil:
			t.log.Warn().Err(err).Str("message_id", string(id)).Msg("task not made; the sweeper will")
		case !missing: // its task was still there, but its place in its group was not
			t.queue.gather(ctx, m)
		}
	}
	return m, nil
}

func (t *settler) healed(kind string, m *message.Message) {
	t.metrics.Healed(kind)
	t.log.Info().Str("message_id", string(m.ID)).Str("kind", kind).Str("status", string(m.Status)).Msg("healed")
}
