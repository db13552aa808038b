package httpapi

import (
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

// filter selects the messages of a list.
type filter struct {
	reference string
	statuses  []message.Status
	to        string
	batchID   message.BatchID
	after     time.Time // exclusive, like before
	before    time.Time
	limit     int
	position  ledger.Position
	place     int64 // of a batch: the page begins before it; negative: at the end
}

// positionCursor is the cursor of the page after a message.
func positionCursor(p ledger.Position) *string {
	return cursorMessages.write(p.CreatedAt, string(p.ID))
}

// readPosition is the reverse of positionCursor.
func readPosition(cursor string) (p ledger.Position, ok bool) {
	created, texts, ok := cursorMessages.read(cursor, 1)
	if !ok {
		return p, false
	}
	id, err := message.ParseID(texts[0])
	if err != nil {
		return p, false
	}
	p = ledger.PositionOf(id)
	return p, p.CreatedAt == created
}

// readFilter reads the query of a list.
func (a *api) readFilter(r *http.Request) (filter, error) {
	q := readQuery(r, "clientReference", "status", "to", "batchId", "createdAfter", "createdBefore", "limit", "cursor")
	f := filter{
		reference: q.text("clientReference"),
		statuses:  q.statuses("status"), to: q.phone("to", a.Rules),
		batchID: q.batch("batchId"), after: q.time("createdAfter"), before: q.time("createdBefore"),
		limit: q.limit(),
	}
	f.place = -1
	if f.ofBatch() {
		q.cursor(func(cursor string) (ok bool) {
			f.place, _, ok = cursorPlaces.read(cursor, 0)
			return ok
		})
	} else {
		q.cursor(func(cursor string) (ok bool) {
			f.position, ok = readPosition(cursor)
			return ok
		})
	}
	if len(q.problems) > 0 {
		return filter{}, invalid(q.problems)
	}
	return f, nil
}

// ofBatch reports whether the list is that of a batch.
func (f filter) ofBatch() bool { return f.batchID != "" && f.reference == "" }

// statuses is a list of message states separated by commas.
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

// phone is a number in any form, converted to E.164.
func (q *query) phone(name string, rules *message.Rules) string {
	value, ok := q.get(name)
	if !ok {
		return ""
	}
	number, ok := rules.Phone(value)
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
		(f.before.IsZero() || m.CreatedAt.Before(f.before))
}

// listTime bounds the search for one page. When matches are rare, the page is
// short or empty, and its cursor continues.
const listTime = time.Second

// pager fills a page with matching messages until it is full or listTime has
// passed.
type pager struct {
	filter filter
	show   func(m *message.Message) resource
	page   page[resource]
	until  time.Time
	next   *string // cursor after the last message examined
}

func (a *api) newPager(f filter) *pager {
	return &pager{filter: f, show: a.shown, page: page[resource]{Data: []resource{}}, until: time.Now().Add(listTime)}
}

// add appends a matching message, and sets the cursor when the page ends before
// it; more is false once the page has ended.
func (p *pager) add(m *message.Message, cursor func() *string) (more bool) {
	matches := p.filter.matches(m)
	if p.next != nil && (matches && len(p.page.Data) == p.filter.limit || time.Now().After(p.until)) {
		p.page.NextCursor = p.next
		return false
	}
	if matches {
		p.page.Data = append(p.page.Data, p.show(m))
	}
	p.next = cursor()
	return true
}

func (a *api) listMessages(c echo.Context, who Caller) error {
	f, err := a.readFilter(c.Request())
	if err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	var p page[resource]
	switch {
	case f.ofBatch():
		p, err = a.listBatchMessages(ctx, who, f)
	case f.reference != "":
		p, err = a.listReference(ctx, who, f)
	default:
		p, err = a.listScope(ctx, who, f)
	}
	if err != nil {
		return err
	}
	streamJSON(c, http.StatusOK, echo.MIMEApplicationJSON, p)
	return nil
}

// listScope lists the caller's latest messages, or all unknown ones.
func (a *api) listScope(ctx context.Context, who Caller, f filter) (page[resource], error) {
	p, ends := a.newPager(f), false
	add := func(m *message.Message) bool {
		if ends = !f.after.IsZero() && !m.CreatedAt.After(f.after); ends {
			return false
		}
		return p.add(m, func() *string { return positionCursor(ledger.PositionOf(m.ID)) })
	}
	r := ledger.Range{After: f.position, Expect: f.limit + 1}
	if slices.Equal(f.statuses, []message.Status{message.StatusUnknown}) {
		err := a.Ledger.Unknown(ctx, who.Scope, r, add)
		p.page.Complete = true
		return p.page, err
	}
	complete, err := a.Ledger.Recent(ctx, who.Scope, r, add)
	p.page.Complete = complete || ends
	return p.page, err
}

// listReference lists the message with a reference, if there is one.
func (a *api) listReference(ctx context.Context, who Caller, f filter) (page[resource], error) {
	p := page[resource]{Data: []resource{}, Complete: true}
	m, err := a.Ledger.ByReference(ctx, who.Scope, f.reference)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return p, nil
	case err != nil:
		return p, err
	case f.matches(m) && f.position.Before(m.ID):
		p.Data = append(p.Data, a.shown(m))
	}
	return p, nil
}
