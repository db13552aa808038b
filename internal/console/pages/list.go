package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

const (
	// listLimit is the number of messages on a page.
	listLimit = 50
	// listTime bounds the search for them over all tenants.
	listTime = 8 * time.Second
)

// found is a part of the list of messages.
type found struct {
	Messages []*message.Message
	Next     message.ID // the list continues behind it; empty: it ends
	Complete bool       // the list reaches back to the first message of each tenant
}

// find lists messages of all tenants, newest first.
func (h *Handler) find(ctx context.Context, f filter, limit int) (found, error) {
	if f.Number != "" {
		key, err := h.numberKey(ctx)
		if err != nil {
			return found{}, err
		}
		f.numberKey = key
	}
	scopes, err := h.scopes(ctx, f)
	if err != nil {
		return found{}, err
	}
	s := search{ledger: h.Ledger, filter: f, limit: limit, until: time.Now().Add(listTime), complete: true}
	for _, scope := range scopes {
		if err := s.add(ctx, scope); err != nil {
			return found{}, err
		}
	}
	return s.found(), nil
}

// scopes are the tenants that a filter selects.
func (h *Handler) scopes(ctx context.Context, f filter) ([]message.Scope, error) {
	all, err := h.Status.Scopes.All(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s message.Scope) bool { return !f.covers(s) }), nil
}

// search collects the newest matching messages of several scopes.
type search struct {
	ledger   *ledger.Ledger
	filter   filter
	limit    int
	until    time.Time
	list     []*message.Message
	complete bool
}

// add searches one scope. It needs one message more than the page shows, to know
// whether the list goes on.
func (s *search) add(ctx context.Context, scope message.Scope) error {
	n := 0
	yield := func(m *message.Message) bool {
		if s.filter.matches(m) {
			s.list = append(s.list, m)
			n++
		}
		if time.Now().After(s.until) {
			s.complete = false
			return false
		}
		return n <= s.limit
	}
	f := s.filter
	r := ledger.Range{Expect: s.limit + 1}
	if f.After != "" {
		r.After = ledger.PositionOf(f.After)
	}
	var err error
	complete := true
	switch {
	case f.Reference != "":
		var m *message.Message
		m, err = s.ledger.ByReference(ctx, scope, f.Reference)
		if errors.Is(err, ledger.ErrNotFound) || errors.Is(err, encryption.ErrKeyMissing) {
			return nil
		}
		if err == nil {
			yield(m)
		}
	case f.Batch != "":
		newest := ledger.BatchRange{Before: -1, Expect: s.limit + 1}
		err = s.ledger.BatchMessages(ctx, scope, f.Batch, newest, func(_ int64, m *message.Message) bool {
			return !r.After.Before(m.ID) || yield(m)
		})
	case slices.Equal(f.Status, []message.Status{message.StatusUnknown}):
		err = s.ledger.Unknown(ctx, scope, r, yield)
	default:
		complete, err = s.ledger.Recent(ctx, scope, r, yield)
	}
	if err != nil {
		return fmt.Errorf("list messages: %w", err)
	}
	s.complete = s.complete && complete
	return nil
}

func (s *search) found() found {
	slices.SortFunc(s.list, func(a, b *message.Message) int {
		return cmp.Or(b.ID.Created().Compare(a.ID.Created()), cmp.Compare(b.ID, a.ID))
	})
	result := found{Messages: s.list, Complete: s.complete}
	if len(s.list) > s.limit {
		result.Messages, result.Next = s.list[:s.limit], s.list[s.limit-1].ID
	}
	return result
}
