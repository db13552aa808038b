package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// eraseTimeout bounds the search for the messages to a number: below the time
// that an answer may take.
const eraseTimeout = writeTimeout - 2*time.Second

// eraseMessage drops what a message says and whom it went to.
func (a *api) eraseMessage(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "force")
	force := q.truth("force")
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	id := message.ID(c.Param("id"))
	if err := a.erase(ctx, caller.Scope, id, force); err != nil {
		return err
	}
	a.Log.Info().Str("request_id", callOf(c).logged).Str("message_id", string(id)).Bool("force", force).Msg("message erased")
	c.Response().WriteHeader(http.StatusNoContent)
	return nil
}

// erase erases a message, in the log alone when Redis no longer has it.
func (a *api) erase(ctx context.Context, scope message.Scope, id message.ID, force bool) error {
	if _, err := message.ParseID(string(id)); err != nil {
		return ledger.ErrNotFound
	}
	gone := false
	_, logged, err := a.eraseBoth(ctx, messagelog.Erasure{Scope: scope, ID: id}, func() (erased, error) {
		m, err := a.Ledger.Erase(ctx, scope, id, force)
		if errors.Is(err, ledger.ErrNotFound) {
			only, failed := a.onlyLogged(ctx, id)
			if gone = only; failed != nil || only {
				return erased{}, failed
			}
		}
		if err != nil {
			return erased{}, err
		}
		if a.now().Sub(m.UpdatedAt) > callback.SubscribedFor { // no event is left
			return erased{}, nil
		}
		return erased{}, a.Events.EraseEvents(ctx, scope, m.CreatedAt, id)
	})
	if err == nil && gone && logged == 0 {
		return ledger.ErrNotFound
	}
	return err
}

// erasePerson erases all messages of the tenant to a number, and those that it sees
// from the number.
func (a *api) erasePerson(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "to")
	written, given := q.get("to")
	number, valid := a.Rules.Phone(written)
	switch {
	case !given && len(q.problems) == 0:
		q.wrong("to", message.ProblemRequired, "is required")
	case given && !valid:
		q.wrong("to", message.ProblemInvalid, "must be a phone number (write + as %2B)")
	}
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), eraseTimeout)
	defer cancel()
	slot := a.erasures.grant(caller.Scope.Tenant)
	defer slot.release()
	if err := slot.grow(ctx, 1); err != nil {
		return err
	}
	open := 0
	done, logged, err := a.eraseBoth(ctx, messagelog.Erasure{Scope: caller.Scope, Number: number}, func() (done erased, err error) {
		done.messages, open, err = a.Ledger.EraseNumber(ctx, caller.Scope, number)
		err = errors.Join(err, a.Events.EraseEvents(ctx, caller.Scope, time.Time{}, done.messages...))
		if err != nil {
			return done, err
		}
		done.inbound, err = a.eraseInbound(ctx, caller.Scope, number)
		return done, err
	})
	if err != nil {
		return err
	}
	all := len(done.messages) + logged
	a.Log.Info().Str("request_id", callOf(c).logged).Int("erased", all).Int("open", open).Msg("messages to a number erased")
	writeJSON(c, http.StatusOK, erasure{Erased: all, Open: open})
	return nil
}

// erasure is the answer to erasePerson.
type erasure struct {
	Erased int `json:"erased"`
	Open   int `json:"open"`
}
