package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// filter says which messages are listed.
type filter struct {
	reference string
	statuses  []message.Status
	to        string
	batchID   message.BatchID
	after     time.Time // exclusive, like before
	before    time.Time
	limit     int
	position  position
	place     int64 // in a batch: the page begins below it; negative: at the end
}

// position is a place in the order of lists: newest first. A page begins
// behind it; the zero position is the beginning.
type position struct {
	created int64 // Unix milliseconds
	id      message.ID
}

func positionOf(m *message.Message) position {
	return position{created: m.CreatedAt.UnixMilli(), id: m.ID}
}

// compare orders positions as lists are.
func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(o.created, p.created), cmp.Compare(o.id, p.id))
}

// cursor is where the next page begins.
func (p position) cursor() *string { return cursorMessages.write(p.created, string(p.id)) }

func (p *position) read(cursor string) bool {
	created, texts, ok := cursorMessages.read(cursor, 1)
	if !ok {
		return false
	}
	id, err := message.ParseID(texts[0])
	*p = position{created: created, id: id}
	return err == nil
}

// readFilter reads the query of a list.
func (a *api) readFilter(r *http.Request) (filter, error) {
	q := readQuery(r, "clientReference", "status", "to", "batchId", "createdAfter", "createdBefore", "limit", "cursor")
	f := filter{
		reference: q.text("clientReference"),
		statuses:  q.statuses("status"), to: q.phone("to", a.DefaultRegion),
		batchID: q.batch("batchId"), after: q.time("createdAfter"), before: q.time("createdBefore"),
		limit: q.number("limit", 1, limitMax, limitDefault),
	}
	f.place = -1
	if f.ofBatch() {
		q.cursor(func(cursor string) (ok bool) {
			f.place, _, ok = cursorPlaces.read(cursor, 0)
			return ok
		})
	} else {
		q.cursor(f.position.read)
	}
	if len(q.problems) > 0 {
		return filter{}, invalid(q.problems)
	}
	return f, nil
}

// ofBatch reports whether the messages of a batch are to be listed.
func (f filter) ofBatch() bool { return f.batchID != "" && f.reference == "" }

// statuses is a list of states separated by commas.
func (q *query) statuses(name string) []message.Status {
	value, ok := q.get(name)
	if !ok {
		return nil
	}
	var statuses []message.Status
	for word := range strings.SplitSeq(value, ",") {
		if !slices.Contains(message.Statuses(), message.Status(word)) {
			q.wrong(name, message.ProblemInvalid, "must be states of messages, separated by commas")
			return nil
		}
		statuses = append(statuses, message.Status(word))
	}
	return statuses
}

// phone is a number in any form, brought into E.164.
func (q *query) phone(name, region string) string {
	value, ok := q.get(name)
	if !ok {
		return ""
	}
	number, _, ok := message.NormalizePhone(value, region)
	if !ok {
		q.wrong(name, message.ProblemInvalid, "not a valid phone number (write + as %2B)")
	}
	return number
}

func (f filter) matches(m *message.Message) bool {
	return (f.reference == "" || m.Content.ClientReference == f.reference) &&
		(len(f.statuses) == 0 || slices.Contains(f.statuses, m.Status)) &&
		(f.to == "" || m.Content.To == f.to) &&
		(f.batchID == "" || m.BatchID == f.batchID) &&
		(f.after.IsZero() || m.CreatedAt.After(f.after)) &&
		(f.before.IsZero() || m.CreatedAt.Before(f.before)) &&
		(f.position == position{} || positionOf(m).compare(f.position) > 0)
}

// cut makes a page of all that match.
func (f filter) cut(messages []*message.Message, show func(m *message.Message) resource) page[resource] {
	messages = slices.DeleteFunc(slices.Clone(messages), func(m *message.Message) bool { return !f.matches(m) })
	slices.SortFunc(messages, func(a, b *message.Message) int { return positionOf(a).compare(positionOf(b)) })
	p := page[resource]{Data: make([]resource, 0, min(len(messages), f.limit))}
	for _, m := range messages[:min(len(messages), f.limit)] {
		p.Data = append(p.Data, show(m))
	}
	if len(messages) > f.limit {
		p.NextCursor = positionOf(messages[f.limit-1]).cursor()
	}
	return p
}

func (a *api) listMessages(c echo.Context, who Caller) error {
	f, err := a.readFilter(c.Request())
	if err != nil {
		return err
	}
	if f.ofBatch() {
		return a.listBatchMessages(c, who, f)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	messages, complete, err := a.candidates(ctx, who, f)
	if err != nil {
		return err
	}
	p := f.cut(messages, a.shown)
	p.Complete = complete
	streamJSON(c, http.StatusOK, echo.MIMEApplicationJSON, p)
	return nil
}

// candidates are the messages a filter has to look through; complete says that
// no others match.
func (a *api) candidates(ctx context.Context, who Caller, f filter) (_ []*message.Message, complete bool, err error) {
	if f.reference == "" {
		if slices.Equal(f.statuses, []message.Status{message.StatusUnknown}) {
			unknown, err := a.Ledger.Unknown(ctx, who.Scope)
			return unknown, true, err
		}
		recent, complete, err := a.Ledger.Recent(ctx, who.Scope)
		return recent, complete || f.endsWithin(recent), err
	}
	m, err := a.Ledger.ByReference(ctx, who.Scope, f.reference)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil, true, nil
	case err != nil:
		return nil, false, err
	default:
		return []*message.Message{m}, true, nil
	}
}

// endsWithin reports whether messages older than all of these are not asked for.
func (f filter) endsWithin(messages []*message.Message) bool {
	return !f.after.IsZero() && slices.ContainsFunc(messages, func(m *message.Message) bool { return !m.CreatedAt.After(f.after) })
}
