package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/inbound"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/suppression"
)

// Inbound stores the messages of phones.
type Inbound interface {
	Add(ctx context.Context, m inbound.Message, source inbound.Source) (id string, added bool, err error)
	List(ctx context.Context, scope message.Scope, f inbound.Filter, after inbound.Position, limit int) ([]inbound.Message, error)
	EraseNumber(ctx context.Context, scope message.Scope, number string) (ids []string, err error)
	ClaimHelp(ctx context.Context, number, id string) (bool, error)
}

// handleInbound stores a message of a phone, and passes STOP and START to the
// opt-outs and HELP to answerHelp. Each step may be repeated: Sinch sends the message
// again when a later one fails. The result is the label of the receipt metric.
func (a *api) handleInbound(ctx context.Context, got receipt.Receipt) (result string, err error) {
	in := got.Inbound
	if in.From == "" {
		return "inbound", nil // of a channel that is no phone
	}
	number, isPhone := a.phoneOf(in.From)
	meaning, word := suppression.Classify(in.Words())
	m := inbound.Message{
		From: number, To: a.senderOf(in.To), Text: in.Text, Media: in.Media,
		Keyword: cmp.Or(strings.ToUpper(strings.TrimSpace(in.Keyword)), word), ReceivedAt: got.At,
	}
	if !isPhone {
		m.From = in.From
	}
	id, _, err := a.Inbound.Add(ctx, m, inbound.Source{API: string(got.Shape), ID: in.ID})
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	if meaning == suppression.Other || !isPhone {
		return "inbound", nil
	}
	if meaning == suppression.Help {
		err = a.answerHelp(ctx, id, m)
	} else {
		err = a.OptOuts.HandleInbound(ctx, suppression.Inbound{Number: number, Sender: m.To, Meaning: meaning, Word: word, At: got.At})
	}
	if err != nil {
		return "", fmt.Errorf("record %s: %w", meaning, err)
	}
	return "inbound_" + string(meaning), nil
}

// answerHelp sends the configured text to a phone, from the number that it wrote to:
// a message of the service itself, whose reference makes it one however often it is
// tried.
func (a *api) answerHelp(ctx context.Context, id string, m inbound.Message) error {
	if a.HelpText == "" {
		return nil
	}
	claimed, err := a.Inbound.ClaimHelp(ctx, m.From, id)
	if err != nil || !claimed {
		return err
	}
	from, ok := a.Rules.Sender(m.To)
	if !ok {
		from = a.Rules.DefaultSender()
	}
	accepted, err := a.Ledger.Accept(ctx, ledger.Request{
		Scope: message.ServiceScope(), From: from, Now: a.now(),
		Content: message.Content{To: m.From, Text: a.HelpText, Priority: message.High, ClientReference: id},
	})
	switch {
	case errors.Is(err, ledger.ErrReused): // answered with an earlier text
		return nil
	case err != nil:
		return err
	case accepted.Duplicate:
		return nil
	}
	a.Dispatcher.DispatchSoon(accepted.Message, func(err error) {
		a.Log.Warn().Str("message_id", string(accepted.Message.ID)).Err(err).Msg("task not enqueued; the sweeper will enqueue it")
	})
	return nil
}

// phoneOf converts the digits that Sinch sends into E.164. They begin with the
// country code, which some carriers leave out.
func (a *api) phoneOf(digits string) (number string, ok bool) {
	if number, ok = a.Rules.Phone("+" + digits); ok {
		return number, true
	}
	return a.Rules.Phone(digits)
}

// senderOf is the sender with the digits that Sinch sends, which may lack the country
// code as in phoneOf.
func (a *api) senderOf(digits string) string {
	if sender, ok := a.Rules.Sender(digits); ok {
		return sender
	}
	if number, ok := a.phoneOf(digits); ok {
		if sender, ok := a.Rules.Sender(number); ok {
			return sender
		}
	}
	return message.CanonicalSender(digits)
}

// inboundResource is an inbound message in responses and events.
type inboundResource struct {
	ID         string    `json:"id"`
	From       *string   `json:"from"`
	To         *string   `json:"to"`
	Text       *string   `json:"text"`
	Media      *[]string `json:"media"` // null: its key is missing
	Keyword    *string   `json:"keyword"`
	ReceivedAt *string   `json:"receivedAt"`
}

func showInbound(m inbound.Message) inboundResource {
	shown := inboundResource{
		ID: m.ID, From: some(m.From), To: some(m.To), Text: some(m.Text), Keyword: some(m.Keyword), ReceivedAt: at(m.ReceivedAt),
	}
	if !m.Locked {
		shown.Media = &m.Media
	}
	return shown
}

// InboundEvent is an inbound message as events show it.
func InboundEvent(m inbound.Message) []byte { return encodeEvent(showInbound(m)) }

// OptOutEvent is an opt-out as events show it.
func OptOutEvent(e suppression.Entry) []byte { return encodeEvent(showOptOut(e)) }

func encodeEvent(shown any) []byte {
	data, err := json.Marshal(shown, json.Deterministic(true))
	if err != nil {
		return []byte("{}") // there is no value that is not JSON
	}
	return data
}

// numberOrSender is a phone number or a sender in any form; empty: absent.
func (q *query) numberOrSender(name string, rules *message.Rules) string {
	value, given := q.get(name)
	if !given {
		return ""
	}
	if number, ok := rules.Phone(value); ok {
		return number
	}
	return q.sender(name)
}

func (a *api) listInbound(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "from", "to", "createdAfter", "limit", "cursor")
	f := inbound.Filter{
		From: q.numberOrSender("from", a.Rules), To: q.numberOrSender("to", a.Rules), CreatedAfter: q.time("createdAfter"),
	}
	limit := q.limit()
	var after inbound.Position
	q.cursor(func(cursor string) bool {
		created, texts, ok := cursorInbound.read(cursor, 1)
		if ok {
			after = inbound.Position{CreatedAt: created, ID: texts[0]}
		}
		return ok && inbound.ValidID(after.ID)
	})
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	found, err := a.Inbound.List(ctx, caller.Scope, f, after, limit+1)
	if err != nil {
		return err
	}
	p := page[inboundResource]{Data: make([]inboundResource, 0, min(limit, len(found))), Complete: true}
	for _, m := range found[:min(limit, len(found))] {
		p.Data = append(p.Data, showInbound(m))
	}
	if len(found) > limit {
		last := inbound.PositionOf(found[limit-1])
		p.NextCursor = cursorInbound.write(last.CreatedAt, last.ID)
	}
	streamJSON(c, http.StatusOK, echo.MIMEApplicationJSON, p)
	return nil
}

// eraseInbound deletes the messages of a phone that a scope sees, and their events,
// which every tenant of the sender has. It returns their ids.
func (a *api) eraseInbound(ctx context.Context, scope message.Scope, number string) ([]string, error) {
	ids, err := a.Inbound.EraseNumber(ctx, scope, number)
	return ids, errors.Join(err, a.Events.EraseReceived(ctx, ids...))
}
