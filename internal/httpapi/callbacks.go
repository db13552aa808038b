package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/message"
)

// Callbacks is what the API needs of the status callbacks.
type Callbacks interface {
	Get(ctx context.Context, scope message.Scope) (callback.Configuration, error)
	Put(ctx context.Context, scope message.Scope, c callback.Configuration) (_ callback.Configuration, secret string, err error)
	Delete(ctx context.Context, scope message.Scope) error
	Rotate(ctx context.Context, scope message.Scope) (secret string, err error)
	Test(ctx context.Context, scope message.Scope) error
	List(ctx context.Context, scope message.Scope, f callback.Filter, after callback.Position, limit int) ([]callback.Delivery, error)
	Redeliver(ctx context.Context, scope message.Scope, id string) error
}

// callbackResource is a configuration as callers see it.
type callbackResource struct {
	URL            string          `json:"url"`
	Events         []callback.Type `json:"events"`
	Enabled        bool            `json:"enabled"`
	FailingSince   *string         `json:"failingSince"`
	DisabledAt     *string         `json:"disabledAt"`
	DisabledReason *string         `json:"disabledReason"`
	SecretSetAt    *string         `json:"secretSetAt"`
	Secret         string          `json:"secret,omitempty"` // the first time only
}

func showCallback(c callback.Configuration, secret string) callbackResource {
	return callbackResource{
		URL: c.URL, Events: c.Events, Enabled: c.Enabled, FailingSince: at(c.FailingSince), DisabledAt: at(c.DisabledAt),
		DisabledReason: some(c.DisabledReason), SecretSetAt: at(c.SecretSetAt), Secret: secret,
	}
}

// deliveryResource is a delivery as callers see it.
type deliveryResource struct {
	ID             string          `json:"id"`
	Event          callback.Type   `json:"event"`
	MessageID      *string         `json:"messageId"`
	URL            *string         `json:"url"`
	Status         callback.Status `json:"status"`
	Attempts       int             `json:"attempts"`
	LastAttemptAt  *string         `json:"lastAttemptAt"`
	NextAttemptAt  *string         `json:"nextAttemptAt"`
	ResponseStatus *int            `json:"responseStatus"`
	Error          *string         `json:"error"`
}

func showDelivery(d callback.Delivery) deliveryResource {
	shown := deliveryResource{
		ID: d.ID, Event: d.Event, MessageID: some(d.MessageID), URL: some(d.URL), Status: d.Status, Attempts: d.Attempts,
		LastAttemptAt: at(d.LastAttemptAt), NextAttemptAt: at(d.NextAttemptAt), Error: some(d.Error),
	}
	if d.Response != 0 {
		shown.ResponseStatus = &d.Response
	}
	return shown
}

func (a *api) putCallback(c echo.Context, caller Caller) error {
	body, err := a.readJSON(c)
	if err != nil {
		return err
	}
	wrong := readQuery(c.Request()).problems
	request, more, err := a.CallbackRules.Parse(body)
	if err != nil {
		return err
	}
	if wrong = append(wrong, more...); len(wrong) > 0 {
		return invalid(wrong)
	}
	set := callback.Configuration{URL: request.URL, Enabled: request.Enabled, Events: callback.DefaultTypes()}
	if request.Events != nil {
		set.Events = nil
		for _, name := range request.Events {
			set.Events = append(set.Events, callback.Type(name))
		}
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	after, secret, err := a.Callbacks.Put(ctx, caller.Scope, set)
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, showCallback(after, secret))
	return nil
}

func (a *api) getCallback(c echo.Context, caller Caller) error {
	if query := readQuery(c.Request()); len(query.problems) > 0 {
		return invalid(query.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	found, err := a.Callbacks.Get(ctx, caller.Scope)
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, showCallback(found, ""))
	return nil
}

func (a *api) deleteCallback(c echo.Context, caller Caller) error {
	if query := readQuery(c.Request()); len(query.problems) > 0 {
		return invalid(query.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	if err := a.Callbacks.Delete(ctx, caller.Scope); err != nil {
		return err
	}
	c.Response().WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) rotateCallback(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	secret, err := a.Callbacks.Rotate(ctx, caller.Scope)
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, map[string]string{"secret": secret})
	return nil
}

func (a *api) testCallback(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	if err := a.Callbacks.Test(ctx, caller.Scope); err != nil {
		return err
	}
	writeJSON(c, http.StatusAccepted, struct{}{})
	return nil
}

// deliveryParam is the name of the id of a delivery in paths.
const deliveryParam = "deliveryId"

func (a *api) redeliver(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	if err := a.Callbacks.Redeliver(ctx, caller.Scope, c.Param(deliveryParam)); err != nil {
		return err
	}
	writeJSON(c, http.StatusAccepted, struct{}{})
	return nil
}

func (a *api) listDeliveries(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "messageId", "status", "limit", "cursor")
	f := callback.Filter{Statuses: q.deliveryStatuses("status")}
	if value, given := q.get("messageId"); given {
		id, err := message.ParseID(value)
		if err != nil {
			q.wrong("messageId", message.ProblemInvalid, "must be the id of a message")
		}
		f.MessageID = id
	}
	limit := q.limit()
	var after callback.Position
	q.cursor(func(cursor string) bool {
		created, texts, ok := cursorDeliveries.read(cursor, 1)
		if ok {
			after = callback.Position{CreatedAt: created, ID: texts[0]}
		}
		return ok && after.ID != ""
	})
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	found, err := a.Callbacks.List(ctx, caller.Scope, f, after, limit+1)
	if err != nil {
		return err
	}
	p := page[deliveryResource]{Data: make([]deliveryResource, 0, min(limit, len(found))), Complete: true}
	for _, d := range found[:min(limit, len(found))] {
		p.Data = append(p.Data, showDelivery(d))
	}
	if len(found) > limit {
		last := found[limit-1]
		p.NextCursor = cursorDeliveries.write(last.CreatedAt.UnixMilli(), last.ID)
	}
	writeJSON(c, http.StatusOK, p)
	return nil
}

// deliveryStatuses is a list of states of deliveries separated by commas.
func (q *query) deliveryStatuses(name string) []callback.Status {
	value, ok := q.get(name)
	if !ok {
		return nil
	}
	var statuses []callback.Status
	for word := range strings.SplitSeq(value, ",") {
		if !slices.Contains([]callback.Status{callback.Pending, callback.Delivered, callback.Failed}, callback.Status(word)) {
			q.wrong(name, message.ProblemInvalid, "must be states of deliveries, separated by commas")
			return nil
		}
		statuses = append(statuses, callback.Status(word))
	}
	return statuses
}

// NewCallbackRules are the rules for the configuration of callbacks.
func NewCallbackRules(allowHTTP bool) message.CallbackRules {
	rules := message.CallbackRules{Events: []string{string(callback.EveryType)}, AllowHTTP: allowHTTP}
	for _, t := range callback.Types() {
		rules.Events = append(rules.Events, string(t))
	}
	return rules
}
