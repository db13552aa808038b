package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func (a *api) createMessage(c echo.Context, caller Caller) error {
	return a.create(c, caller, a.view(showMessage))
}

func (a *api) sendMMS(c echo.Context, caller Caller) error {
	return a.create(c, caller, a.view(showGuide))
}

// create accepts a message. It responds 202 once the ledger has recorded it.
func (a *api) create(c echo.Context, caller Caller, show view) error {
	now := a.now()
	draft, dryRun, err := a.readDraft(c, caller, now)
	if err != nil {
		return err
	}
	if err := a.reserveMedia(c, caller, draft); err != nil {
		return err
	}
	if err := a.checkMedia(c, caller, draft); err != nil {
		return err
	}
	if dryRun {
		return a.dryRun(c, caller, draft, show)
	}
	accepted, err := a.accept(c, caller, draft, now)
	if err != nil {
		return err
	}
	m, lane := accepted.Message, string(draft.Content.Priority)
	if accepted.Duplicate {
		a.countDuplicate(c, caller, lane)
		answerKnown(c, m, show)
		return nil
	}
	a.Metrics.Message(lane, "accepted")
	a.Tracer.Accepted(c.Request().Context(), m)
	locate(c, m)
	if accepted.Suppressed {
		ctx, cancel := a.bounded(c)
		defer cancel()
		a.suppressOne(ctx, m)
	}
	writeMessage(c, http.StatusAccepted, m, show(m))
	if m.Status.Waiting() {
		a.dispatch(c, m)
	}
	return nil
}

func locate(c echo.Context, m *message.Message) {
	c.Response().Header().Set(echo.HeaderLocation, "/v1/messages/"+string(m.ID))
}

// answerKnown responds with a message that was accepted before.
func answerKnown(c echo.Context, m *message.Message, show view) {
	locate(c, m)
	c.Response().Header().Set("Idempotent-Replayed", "true")
	writeMessage(c, http.StatusOK, m, show(m))
}

// dryRun responds as create would, and records nothing: with the message that the
// request repeats, or with the one it would create.
func (a *api) dryRun(c echo.Context, caller Caller, draft message.Draft, show view) error {
	ctx, cancel := a.bounded(c)
	defer cancel()
	find := a.known
	if len(draft.Late) > 0 {
		find = a.knownLate
	}
	m, err := find(ctx, caller, draft)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		m := a.dryRunMessage(caller, draft)
		writeMessage(c, http.StatusOK, m, show(m))
		return nil
	case err != nil:
		return err
	default:
		answerKnown(c, m, show)
		return nil
	}
}

// dryRunMessage is the message that a request would create.
func (a *api) dryRunMessage(caller Caller, draft message.Draft) *message.Message {
	now := a.now()
	m := message.New("", caller.Scope, draft.Content, draft.From, now)
	m.AcceptHeld(a.held(&draft.Content, now), now)
	m.CreatedAt, m.UpdatedAt, m.Timeline = time.Time{}, time.Time{}, nil
	return m
}

// readDraft reads and validates body, headers and query, and collects every
// problem. Problems that depend on the clock stay in the draft.
func (a *api) readDraft(c echo.Context, who Caller, now time.Time) (draft message.Draft, dryRun bool, err error) {
	body, err := a.readJSON(c)
	if err != nil {
		return message.Draft{}, false, err
	}
	draft, err = a.Rules.For(who.Scope.Tenant).Parse(body, c.Request().Header.Values(keyHeader), now)
	if err != nil {
		a.rejected(draft)
		return message.Draft{}, false, err
	}
	query := readQuery(c.Request(), "dryRun")
	dryRun = query.truth("dryRun")
	wrong := slices.Concat(query.problems, draft.Problems)
	if len(wrong) > 0 {
		a.rejected(draft)
		p := invalid(append(wrong, draft.Late...))
		p.MoreProblems += draft.More
		return message.Draft{}, false, p
	}
	return draft, dryRun, nil
}

// rejected counts a refused message; the lane is empty when its priority is
// invalid.
func (a *api) rejected(draft message.Draft) {
	lane := "none"
	if slices.Contains(message.Lanes(), draft.Content.Priority) {
		lane = string(draft.Content.Priority)
	}
	a.Metrics.Message(lane, "rejected")
}

// accept records the message. One whose times have passed is refused, unless it
// repeats a recorded one.
func (a *api) accept(c echo.Context, caller Caller, draft message.Draft, now time.Time) (ledger.Accepted, error) {
	ctx, cancel := a.bounded(c)
	defer cancel()
	if len(draft.Late) > 0 {
		m, err := a.knownLate(ctx, caller, draft)
		return ledger.Accepted{Message: m, Duplicate: true}, err
	}
	return a.Ledger.Accept(ctx, ledger.Request{
		Scope: caller.Scope, Content: draft.Content, From: draft.From, Now: now, Held: a.held(&draft.Content, now), Quota: caller.Quota,
		Trace: a.Tracer.Request(c.Request().Context()),
	})
}

// held returns until when quiet hours hold a message that is accepted now.
func (a *api) held(c *message.Content, now time.Time) message.Held {
	if c.SendAt.After(now) {
		now = c.SendAt
	}
	return a.Quiet.Hold(c, now)
}

// known returns the message that a draft repeats. The error is ledger.ErrNotFound
// when no message has its reference, and ledger.ErrReused when that message has
// other content.
func (a *api) known(ctx context.Context, caller Caller, draft message.Draft) (*message.Message, error) {
	if draft.Content.ClientReference == "" {
		return nil, ledger.ErrNotFound
	}
	m, err := a.Ledger.ByReference(ctx, caller.Scope, draft.Content.ClientReference)
	if err == nil && !m.Repeats(draft.Content) {
		return nil, ledger.ErrReused
	}
	return m, err
}

// knownLate is known for a draft whose times have passed: it is refused unless it
// repeats a message.
func (a *api) knownLate(ctx context.Context, caller Caller, draft message.Draft) (*message.Message, error) {
	m, err := a.known(ctx, caller, draft)
	if errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrReused) {
		a.rejected(draft)
		return nil, invalid(draft.Late)
	}
	return m, err
}

// dispatch enqueues the task in the background; the sweeper enqueues it when that
// fails.
func (a *api) dispatch(c echo.Context, m *message.Message) {
	logged := callOf(c).logged
	a.Dispatcher.DispatchSoon(m, func(err error) {
		a.Log.Warn().Str("request_id", logged).Str("message_id", string(m.ID)).Err(err).
			Msg("task not enqueued; the sweeper will enqueue it")
	})
}

func (a *api) getMessage(c echo.Context, caller Caller) error {
	if query := readQuery(c.Request()); len(query.problems) > 0 {
		return invalid(query.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	m, err := a.read(ctx, caller.Scope, message.ID(c.Param("id")))
	if err != nil {
		return err
	}
	writeMessage(c, http.StatusOK, m, showMessage(a.waiting(m)))
	return nil
}

// readNothing reads a request that takes no body.
func (a *api) readNothing(c echo.Context) error {
	body, err := a.readJSON(c)
	if err != nil {
		return err
	}
	wrong := readQuery(c.Request()).problems
	if len(body) > 0 {
		more, err := message.ParseNothing(body)
		if err != nil {
			return err
		}
		wrong = append(wrong, more...)
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	return nil
}

func (a *api) cancelMessage(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	m, err := a.update(c, caller, func(m *message.Message, now time.Time) error { return m.Cancel(now) })
	if err != nil {
		return err
	}
	writeMessage(c, http.StatusOK, m, showMessage(a.waiting(m)))
	return nil
}

func (a *api) replayMessage(c echo.Context, caller Caller) error {
	body, err := a.readJSON(c)
	if err != nil {
		return err
	}
	wrong := readQuery(c.Request()).problems
	var request message.ReplayRequest
	if len(body) > 0 {
		parsed, more, err := message.ParseReplay(body, a.now())
		if err != nil {
			return err
		}
		request, wrong = parsed, append(wrong, more...)
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	m, err := a.update(c, caller, func(m *message.Message, now time.Time) error {
		return m.Replay(request.Force, request.ExpiresAt, now)
	})
	if err != nil {
		return err
	}
	writeMessage(c, http.StatusAccepted, m, showMessage(a.waiting(m)))
	a.dispatch(c, m)
	return nil
}

// update changes a message that belongs to the caller.
func (a *api) update(c echo.Context, caller Caller, change ledger.Change) (*message.Message, error) {
	ctx, cancel := a.bounded(c)
	defer cancel()
	id := message.ID(c.Param("id"))
	m, err := a.Ledger.Update(ctx, id, func(m *message.Message, now time.Time) error {
		if m.Scope != caller.Scope {
			return ledger.ErrNotFound
		}
		return change(m, now)
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return a.updateLogged(ctx, caller.Scope, id, change)
	}
	return m, err
}
