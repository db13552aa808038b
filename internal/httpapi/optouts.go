package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/suppression"
)

// OptOuts is the part of the opt-out list that the API uses.
type OptOuts interface {
	Put(ctx context.Context, scope message.Scope, number, sender, reason string) (e suppression.Entry, created bool, err error)
	Get(ctx context.Context, scope message.Scope, number, sender string) (suppression.Entry, error)
	Delete(ctx context.Context, scope message.Scope, number, sender string) error
	List(ctx context.Context, scope message.Scope, after suppression.Position, limit int) ([]suppression.Entry, error)
	HandleInbound(ctx context.Context, h suppression.Inbound) error
	Suppressed(ctx context.Context, scope message.Scope, number, sender string) (bool, error)
}

// numberParam is the name of the number in paths.
const numberParam = "number"

// optOutResource is an opt-out in responses.
type optOutResource struct {
	Number    string             `json:"number"`
	Sender    *string            `json:"sender"`
	Reason    *string            `json:"reason"`
	Source    suppression.Source `json:"source"`
	CreatedAt *string            `json:"createdAt"`
}

func showOptOut(e suppression.Entry) optOutResource {
	return optOutResource{Number: e.Number, Sender: some(e.Sender), Reason: some(e.Reason), Source: e.Source, CreatedAt: at(e.CreatedAt)}
}

// number is the number of a path; ok is false when it is invalid.
func (a *api) number(c echo.Context) (number string, ok bool) {
	value := c.Param(numberParam)
	if c.Request().URL.RawPath != "" { // Echo routes by it and leaves it as it is
		var err error
		if value, err = url.PathUnescape(value); err != nil {
			return "", false
		}
	}
	return a.Rules.Phone(value)
}

// sender is a sender in any form; empty: absent. It need not be one of the
// configured senders.
func (q *query) sender(name string) string {
	value, ok := q.get(name)
	if !ok {
		return suppression.EverySender
	}
	const longest = 15
	digits := strings.TrimLeft(value, " +") // a + that was not escaped is a space
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	if digits == "" || len(digits) > longest || strings.ContainsFunc(digits, notDigit) {
		q.wrong(name, message.ProblemInvalid, "must be a number or short code (write + as %2B)")
	}
	return message.CanonicalSender(digits)
}

func (a *api) putOptOut(c echo.Context, caller Caller) error {
	body, err := a.readJSON(c)
	if err != nil {
		return err
	}
	wrong := readQuery(c.Request()).problems
	var request message.OptOutRequest
	if len(body) > 0 {
		parsed, more, err := a.Rules.ParseOptOut(body)
		if err != nil {
			return err
		}
		request, wrong = parsed, append(wrong, more...)
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	number, _ := a.number(c)
	ctx, cancel := a.bounded(c)
	defer cancel()
	entry, created, err := a.OptOuts.Put(ctx, caller.Scope, number, request.Sender, request.Reason)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		c.Response().Header().Set(echo.HeaderLocation, "/v1/suppressions/"+url.PathEscape(number))
	}
	writeJSON(c, status, showOptOut(entry))
	return nil
}

func (a *api) getOptOut(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "sender")
	sender := q.sender("sender")
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	number, _ := a.number(c)
	ctx, cancel := a.bounded(c)
	defer cancel()
	entry, err := a.OptOuts.Get(ctx, caller.Scope, number, sender)
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, showOptOut(entry))
	return nil
}

func (a *api) deleteOptOut(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "sender")
	sender := q.sender("sender")
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	number, _ := a.number(c)
	ctx, cancel := a.bounded(c)
	defer cancel()
	if err := a.OptOuts.Delete(ctx, caller.Scope, number, sender); err != nil {
		return err
	}
	c.Response().WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) listOptOuts(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "limit", "cursor")
	limit := q.limit()
	var after suppression.Position
	q.cursor(func(cursor string) bool {
		const numberAndSender = 2
		created, texts, ok := cursorOptOuts.read(cursor, numberAndSender)
		if !ok || !strings.HasPrefix(texts[0], "+") {
			return false
		}
		after = suppression.Position{CreatedAt: created, Number: texts[0], Sender: texts[1]}
		return created > 0
	})
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	found, err := a.OptOuts.List(ctx, caller.Scope, after, limit+1)
	if err != nil {
		return err
	}
	p := page[optOutResource]{Data: make([]optOutResource, 0, min(limit, len(found))), Complete: true}
	for _, e := range found[:min(limit, len(found))] {
		p.Data = append(p.Data, showOptOut(e))
	}
	if len(found) > limit {
		last := suppression.PositionOf(found[limit-1])
		p.NextCursor = cursorOptOuts.write(last.CreatedAt, last.Number, last.Sender)
	}
	writeJSON(c, http.StatusOK, p)
	return nil
}
