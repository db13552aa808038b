package httpapi

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// Log is the part of the long-term log that the API uses.
type Log interface {
	Message(ctx context.Context, scope message.Scope, id message.ID) (*message.Message, error)
	Messages(ctx context.Context, scope message.Scope, q messagelog.Query) ([]*message.Message, error)
	Several(ctx context.Context, scope message.Scope, ids []message.ID) (map[message.ID]*message.Message, error)
	Report(ctx context.Context, scope message.Scope, by messagelog.Grouping, first, end time.Time) ([]messagelog.ReportLine, error)
	Batch(ctx context.Context, scope message.Scope, id message.BatchID) (ledger.Batch, error)
	FindBatch(ctx context.Context, scope message.Scope, ref string) (ledger.Batch, error)
	Batches(ctx context.Context, scope message.Scope, after ledger.BatchPosition, limit int) ([]ledger.Batch, error)
}

// Erasures bring erasures to the long-term log.
type Erasures interface {
	Begin(ctx context.Context, e messagelog.Erasure) (*messagelog.PendingErasure, error)
}

// logShare is the part of Options.StorageTimeout for which a list waits for the log:
// less than all of it, so that the list still answers what Redis has.
const logShare = 0.8

// forLog bounds the wait of a list for the log.
func (a *api) forLog(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(logShare*float64(a.StorageTimeout)))
}

// read reads a message, from the log when Redis no longer has it.
func (a *api) read(ctx context.Context, scope message.Scope, id message.ID) (*message.Message, error) {
	m, err := a.Ledger.Get(ctx, id)
	if m != nil && m.Scope != scope {
		return nil, ledger.ErrNotFound
	}
	if a.LongLog == nil || !errors.Is(err, ledger.ErrNotFound) {
		return m, err
	}
	return a.LongLog.Message(ctx, scope, id)
}

// updateLogged decides on the change of a message that Redis does not have: it is
// refused as it would be there, or for what can no longer be done.
func (a *api) updateLogged(ctx context.Context, scope message.Scope, id message.ID, change ledger.Change) (*message.Message, error) {
	m, err := a.read(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	before := m.Status
	if err := change(m, a.now()); err != nil {
		return nil, err
	}
	if m.Status != before {
		return nil, newProblem(codeNotReplayable, "The message is in the long-term log only, and can no longer be sent: send a new one.")
	}
	return m, nil
}

// portion is the beginning of a list from one store, newest first.
type portion struct {
	found []*message.Message
	// end is the last position that was examined; nil: the list has nothing behind it.
	end *ledger.Position
}

// listMerged lists messages of Redis and of the log as one list. Redis is read
// first: what it drops meanwhile is in the log by then.
func (a *api) listMerged(ctx context.Context, caller Caller, f filter) (messagePage, error) {
	hot, err := a.hot(ctx, caller, f)
	if err != nil {
		return messagePage{}, err
	}
	cold, complete, err := a.cold(ctx, caller, f)
	if err != nil {
		return messagePage{}, err
	}
	return a.joinedPage(f, hot, cold, complete, positionCursor), nil
}

// joinedPage is the page of two portions.
func (a *api) joinedPage(f filter, hot, cold portion, complete bool, cursor func(p ledger.Position) *string) messagePage {
	merged, next := merge(hot, cold)
	p := a.newPager(f)
	p.page.complete = complete
	for i, m := range merged {
		if p.page.full(f.limit) {
			next = new(ledger.PositionOf(merged[i-1].ID))
			break
		}
		p.page.add(p.show(m))
	}
	if next != nil {
		p.page.next = cursor(*next)
	}
	return p.page
}

// hot is the portion of Redis: the message of a reference, all messages of unknown
// outcome, or the latest ones.
func (a *api) hot(ctx context.Context, caller Caller, f filter) (p portion, err error) {
	if f.reference != "" {
		m, err := a.Ledger.ByReference(ctx, caller.Scope, f.reference)
		if err == nil && f.matches(m) && f.position.Before(m.ID) {
			p.found = append(p.found, m)
		}
		if errors.Is(err, ledger.ErrNotFound) {
			err = nil
		}
		return p, err
	}
	var last *ledger.Position
	until := time.Now().Add(a.ListTime)
	add := func(m *message.Message) bool {
		if !f.after.IsZero() && !m.CreatedAt.After(f.after) {
			return false
		}
		if len(p.found) > f.limit || last != nil && time.Now().After(until) {
			p.end = last
			return false
		}
		if last = new(ledger.PositionOf(m.ID)); f.matches(m) {
			p.found = append(p.found, m)
		}
		return true
	}
	r := ledger.Range{After: f.position, Expect: f.limit + 1}
	if f.onlyUnknown() {
		return p, a.Ledger.Unknown(ctx, caller.Scope, r, add)
	}
	_, err = a.Ledger.Recent(ctx, caller.Scope, r, add)
	return p, err
}

// cold is the portion of the log, each message as Redis has it if it still does.
// complete is false when the log does not answer, or lacks messages that Redis has
// and does not list.
func (a *api) cold(ctx context.Context, caller Caller, f filter) (p portion, complete bool, err error) {
	bounded, cancel := a.forLog(ctx)
	defer cancel()
	logged, err := a.LongLog.Messages(bounded, caller.Scope, f.query())
	if errors.Is(err, messagelog.ErrUnavailable) {
		a.Log.Warn().Err(err).Msg("a list lacks what only the long-term log has")
		return p, false, nil
	}
	if err != nil || len(logged) == 0 {
		return p, err == nil && !a.gap(ctx, caller), err
	}
	if len(logged) > f.limit {
		p.end = new(ledger.PositionOf(logged[len(logged)-1].ID))
	}
	current, err := a.Ledger.Current(ctx, ids(logged))
	if err != nil {
		return p, false, err
	}
	for _, m := range logged {
		newer := current[m.ID]
		if newer == nil {
			p.found = append(p.found, m)
		} else if f.matches(newer) {
			p.found = append(p.found, newer)
		}
	}
	return p, !a.gap(ctx, caller), nil
}

// gap reports whether the log lacks messages that no list of Redis has either.
func (a *api) gap(ctx context.Context, caller Caller) bool {
	gap, err := a.Ledger.LogGap(ctx, caller.Scope)
	return gap || err != nil
}

func ids(messages []*message.Message) []message.ID {
	all := make([]message.ID, len(messages))
	for i, m := range messages {
		all[i] = m.ID
	}
	return all
}

// query is the filter as a query of the log.
func (f filter) query() messagelog.Query {
	return messagelog.Query{
		After: f.position, Reference: f.reference, Statuses: f.statuses, Reasons: f.reasons, Lanes: f.lanes, To: f.to, From: f.from,
		BatchID: f.batchID, Since: f.after, Until: f.before, Limit: f.limit + 1,
	}
}

// merge joins two portions, each message once. They end where one of them was not
// examined further; next is its last position then.
func merge(hot, cold portion) (merged []*message.Message, next *ledger.Position) {
	seen := make(map[message.ID]bool)
	for _, m := range slices.Concat(hot.found, cold.found) {
		if !seen[m.ID] {
			seen[m.ID] = true
			merged = append(merged, m)
		}
	}
	slices.SortFunc(merged, func(a, b *message.Message) int {
		return cmp.Or(b.ID.Created().Compare(a.ID.Created()), cmp.Compare(b.ID, a.ID))
	})
	for _, end := range []*ledger.Position{hot.end, cold.end} {
		if end == nil {
			continue
		}
		if next == nil || end.Before(next.ID) {
			next = end
		}
	}
	if next != nil {
		merged = slices.DeleteFunc(merged, func(m *message.Message) bool { return next.Before(m.ID) })
	}
	return merged, next
}
