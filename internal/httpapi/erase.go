package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/message"
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
	m, err := a.erase(ctx, caller.Scope, id, force)
	if err != nil {
		return err
	}
	if m != nil && a.now().Sub(m.UpdatedAt) <= callback.SubscribedFor { // else no event is left
		if err := a.Events.EraseEvents(ctx, caller.Scope, m.CreatedAt, id); err != nil {
			return err
		}
	}
	a.Log.Info().Str("request_id", callOf(c).logged).Str("message_id", string(id)).Bool("force", force).Msg("message erased")
	c.Response().WriteHeader(http.StatusNoContent)
	return nil
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
	ids, open, err := a.Ledger.EraseNumber(ctx, caller.Scope, number)
	if err := errors.Join(err, a.Events.EraseEvents(ctx, caller.Scope, time.Time{}, ids...)); err != nil {
		return err
	}
	logged, err := a.eraseLogged(ctx, caller.Scope, number)
	if err != nil {
		return err
	}
	if err := a.eraseInbound(ctx, caller.Scope, number); err != nil {
		return err
	}
	erased := len(ids) + logged
	a.Log.Info().Str("request_id", callOf(c).logged).Int("erased", erased).Int("open", open).Msg("messages to a number erased")
	writeJSON(c, http.StatusOK, erasure{Erased: erased, Open: open})
	return nil
}

// erasure is the answer to erasePerson.
type erasure struct {
	Erased int `json:"erased"`
	Open   int `json:"open"`
}
