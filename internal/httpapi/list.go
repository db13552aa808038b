package httpapi

import (
	"bytes"
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
	reasons   []message.ReasonCode
	lanes     []message.Lane
	to        string
	from      string
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

// readPlace reads the cursor of a batch's messages: a place, and the message at it,
// which cursors of earlier releases lack.
func readPlace(cursor string) (place int64, p ledger.Position, ok bool) {
	if place, _, ok = cursorPlaces.read(cursor, 0); ok {
		return place, p, true
	}
	place, texts, ok := cursorPlaces.read(cursor, 1)
	if !ok {
		return 0, p, false
	}
	id, err := message.ParseID(texts[0])
	if err != nil {
		return 0, p, false
	}
	return place, ledger.PositionOf(id), true
}

// readFilter reads the query of a list.
func (a *api) readFilter(r *http.Request) (filter, error) {
	q := readQuery(r, "clientReference", "status", "reason", "priority", "to", "from", "batchId", "createdAfter", "createdBefore",
		"limit", "cursor")
	f := filter{
		reference: q.text("clientReference"),
		statuses:  words(q, "status", message.Statuses(), "states of messages"),
		reasons:   words(q, "reason", message.ReasonCodes(), "codes of reasons"),
		lanes:     words(q, "priority", message.Lanes(), "priorities"),
		to:        q.phone("to", a.Rules), from: q.sender("from"),
		batchID: q.batch("batchId"), after: q.time("createdAfter"), before: q.time("createdBefore"),
		limit: q.limit(),
	}
	f.place = -1
	if f.ofBatch() {
		q.cursor(func(cursor string) (ok bool) {
			f.place, f.position, ok = readPlace(cursor)
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

// words are known words separated by commas; what names them in problems.
func words[T ~string](q *query, name string, known []T, what string) []T {
	value, ok := q.get(name)
	if !ok {
		return nil
	}
	var all []T
	for word := range strings.SplitSeq(value, ",") {
		if !slices.Contains(known, T(word)) {
			q.wrong(name, message.ProblemInvalid, "must be "+what+", separated by commas")
			return nil
		}
		all = append(all, T(word))
	}
	return all
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

// onlyUnknown reports whether the list is that of all messages of unknown outcome.
func (f filter) onlyUnknown() bool {
	return slices.Equal(f.statuses, []message.Status{message.StatusUnknown})
}

func (f filter) matches(m *message.Message) bool {
	return (f.reference == "" || m.Content.ClientReference == f.reference) &&
		(len(f.statuses) == 0 || slices.Contains(f.statuses, m.Status)) &&
		(len(f.reasons) == 0 || m.Reason != nil && slices.Contains(f.reasons, m.Reason.Code)) &&
		(len(f.lanes) == 0 || slices.Contains(f.lanes, m.Content.Priority)) &&
		(f.to == "" || m.Content.To == f.to) &&
		(f.from == "" || m.From == f.from) &&
		(f.batchID == "" || m.BatchID == f.batchID) &&
		(f.after.IsZero() || m.CreatedAt.After(f.after)) &&
		(f.before.IsZero() || m.CreatedAt.Before(f.before))
}

// listTime is the default of Options.ListTime.
const listTime = time.Second

// pager fills a page with matching messages until it is full or its time has
// passed.
type pager struct {
	filter filter
	api    *api
	page   messagePage
	until  time.Time
	next   *string // cursor after the last message examined
	buffer members // is used again for each message
}

func (a *api) newPager(f filter) *pager {
	return &pager{filter: f, api: a, until: time.Now().Add(a.ListTime)}
}

// add appends a matching message, and sets the cursor when the page ends before
// it; more is false once the page has ended. A message that has expired is nil.
func (p *pager) add(m *message.Message, cursor func() *string) (more bool) {
	matches := m != nil && p.filter.matches(m)
	if p.next != nil && (matches && p.page.full(p.filter.limit) || time.Now().After(p.until)) {
		p.page.next = p.next
		return false
	}
	if matches {
		p.page.add(p.show(m))
	}
	p.next = cursor()
	return true
}

func (p *pager) show(m *message.Message) []byte {
	p.buffer.json = p.buffer.json[:0]
	p.buffer.object(func() { p.buffer.message(p.api.waiting(m)) })
	return bytes.Clone(p.buffer.json)
}

func (a *api) listMessages(c echo.Context, caller Caller) error {
	f, err := a.readFilter(c.Request())
	if err != nil {
		return err
	}
	if f.reference != "" && a.LongLog == nil {
		p, err := a.listReference(c, caller, f)
		if err == nil {
			p.write(c)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), searchPatience)
	defer cancel()
	room := a.pages.grant(caller.Scope.Tenant)
	defer room.release()
	if err := room.grow(ctx, pageBytes); err != nil {
		return err
	}
	p, err := a.findPage(ctx, c, caller, f)
	if err != nil {
		return err
	}
	room.shrink(int64(p.bytes))
	p.write(c)
	return nil
}

// findPage reads and encodes a page in a slot of the tenant; wait bounds the wait
// for it.
func (a *api) findPage(wait context.Context, c echo.Context, caller Caller, f filter) (messagePage, error) {
	slot := a.searches.grant(caller.Scope.Tenant)
	if err := slot.grow(wait, 1); err != nil {
		return messagePage{}, err
	}
	begun := time.Now()
	defer func() { slot.releaseAfter(min(searchRest*time.Since(begun), searchRestMost)) }()
	ctx, cancel := a.bounded(c)
	defer cancel()
	switch {
	case a.LongLog != nil && f.ofBatch():
		return a.listLoggedBatch(ctx, caller, f)
	case a.LongLog != nil:
		return a.listMerged(ctx, caller, f)
	case f.ofBatch():
		return a.listBatchMessages(ctx, caller, f)
	default:
		return a.listScope(ctx, caller, f)
	}
}

// listScope lists the caller's latest messages, or all unknown ones.
func (a *api) listScope(ctx context.Context, caller Caller, f filter) (messagePage, error) {
	p, ends := a.newPager(f), false
	add := func(m *message.Message) bool {
		if ends = !f.after.IsZero() && !m.CreatedAt.After(f.after); ends {
			return false
		}
		return p.add(m, func() *string { return positionCursor(ledger.PositionOf(m.ID)) })
	}
	r := ledger.Range{After: f.position, Expect: f.limit + 1}
	if f.onlyUnknown() {
		err := a.Ledger.Unknown(ctx, caller.Scope, r, add)
		p.page.complete = true
		return p.page, err
	}
	complete, err := a.Ledger.Recent(ctx, caller.Scope, r, add)
	p.page.complete = complete || ends
	return p.page, err
}

// listReference lists the message with a reference, if there is one.
func (a *api) listReference(c echo.Context, caller Caller, f filter) (messagePage, error) {
	ctx, cancel := a.bounded(c)
	defer cancel()
	p := messagePage{complete: true}
	m, err := a.Ledger.ByReference(ctx, caller.Scope, f.reference)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return p, nil
	case err != nil:
		return p, err
	case f.matches(m) && f.position.Before(m.ID):
		p.add(a.view(showMessage)(m))
	}
	return p, nil
}
