package pages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/redisconn"
)

// searchedNumbers are the numbers of recent searches by their hashes, for the long-term
// log: a list knows the hash alone. They are in the memory of this process only.
type searchedNumbers struct {
	mu     sync.Mutex
	byHash map[string]string
	hashes []string // the oldest first
}

// searchedKept is the number of searches that are remembered.
const searchedKept = 500

func (s *searchedNumbers) add(hash, number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHash == nil {
		s.byHash = make(map[string]string)
	}
	if _, known := s.byHash[hash]; known {
		return
	}
	if len(s.hashes) == searchedKept {
		delete(s.byHash, s.hashes[0])
		s.hashes = s.hashes[1:]
	}
	s.byHash[hash] = number
	s.hashes = append(s.hashes, hash)
}

func (s *searchedNumbers) number(hash string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byHash[hash]
}

// logState says what a list has of the long-term log.
type logState string

const (
	logNone   logState = ""       // there is none, or the filter needs none of it
	logRead   logState = "read"   // all that matches
	logAway   logState = "away"   // it could not be read
	logNumber logState = "number" // nothing: the number of the hash is not known
)

// findAll is find for filters that few messages match, which are searched in the
// long-term log, too. A log that cannot be read leaves the list as Redis has it.
func (h *Handler) findAll(ctx context.Context, f filter, limit int) (found, logState, error) {
	list, err := h.find(ctx, f, limit)
	if err != nil || h.History == nil || !f.narrow() {
		return list, logNone, err
	}
	query := messagelog.Query{
		Reference: f.Reference, SinchID: f.Sinch, Statuses: f.Status, BatchID: f.Batch, SinchCode: f.Code, Operator: f.Carrier,
		Limit: limit + 1,
	}
	if f.Number != "" {
		if query.To = h.searched.number(f.Number); query.To == "" {
			return list, logNumber, nil
		}
	}
	if f.Reason != "" {
		query.Reasons = []message.ReasonCode{message.ReasonCode(f.Reason)}
	}
	if f.Priority != "" {
		query.Lanes = []message.Lane{message.Lane(f.Priority)}
	}
	if f.After != "" {
		query.After = ledger.PositionOf(f.After)
	}
	logged, err := h.logMessages(ctx, f, query)
	switch {
	case errors.Is(err, redisconn.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		h.Log.Warn().Err(err).Msg("console list without the long-term log")
		return list, logAway, nil
	case err != nil:
		return found{}, logNone, err
	}
	if logged, err = h.current(ctx, f, logged); err != nil {
		return found{}, logNone, err
	}
	return merged(list, logged, limit), logRead, nil
}

// narrow reports whether an index of the long-term log has the few messages that a filter
// selects: those of a problem, too.
func (f filter) narrow() bool {
	return f.Number != "" || f.Reference != "" || f.Sinch != "" || f.Reason != "" && f.Tenant != ""
}

// current replaces messages of the log by those in Redis, which are newer, and leaves
// out those that the filter does not select any more.
func (h *Handler) current(ctx context.Context, f filter, logged []*message.Message) ([]*message.Message, error) {
	ids := make([]message.ID, len(logged))
	for i, m := range logged {
		ids[i] = m.ID
	}
	results, err := h.Ledger.ReadEach(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	f.Number = "" // that of a message never changes
	now := make([]*message.Message, 0, len(logged))
	for i, r := range results {
		m := r.Value.Message
		switch {
		case m == nil:
			now = append(now, logged[i])
		case f.matches(m):
			now = append(now, m)
		}
	}
	return now, nil
}

// logMessages reads the long-term log of all scopes of a filter.
func (h *Handler) logMessages(ctx context.Context, f filter, query messagelog.Query) ([]*message.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	scopes, err := h.scopes(ctx, f)
	if err != nil {
		return nil, err
	}
	var all []*message.Message
	for _, scope := range scopes {
		some, err := h.History.Messages(ctx, scope, query)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// merged adds the messages of the log to a list.
func merged(list found, logged []*message.Message, limit int) found {
	have := make(map[message.ID]bool, len(list.Messages))
	for _, m := range list.Messages {
		have[m.ID] = true
	}
	s := search{list: slices.Clone(list.Messages), limit: limit, complete: true}
	for _, m := range logged {
		if !have[m.ID] {
			s.list = append(s.list, m)
		}
	}
	result := s.found()
	if list.Next != "" && result.Next == "" { // Redis alone had more than the page shows
		result.Next = list.Messages[len(list.Messages)-1].ID
	}
	return result
}
