package suppression

import (
	"fmt"
	"time"

	"mmsdispatch/internal/message"
)

// event is the element of the outbox for a change; empty: none.
func (s *Store) event(scope message.Scope, added bool, e Entry) (string, error) {
	if s.events == nil {
		return "", nil
	}
	element, err := s.events.OptOut(scope, added, e, s.now())
	if err != nil {
		return "", fmt.Errorf("opt-out: %w", err)
	}
	return element, nil
}

// inboundEvents are, for each scope that a keyword counts for and that has events,
// the fields by which the script knows what the scope has, and the element.
func (s *Store) inboundEvents(in Inbound, at time.Time) ([]any, error) {
	if s.events == nil {
		return nil, nil
	}
	var all []any
	e := Entry{Number: in.Number, Sender: in.Sender, Reason: in.Word, Source: SourceInbound, CreatedAt: at}
	for _, scope := range s.events.Scopes() {
		if scope.Test || !s.senders.Allows(scope.Tenant, in.Sender) {
			continue
		}
		element, err := s.event(scope, in.Meaning == Stop, e)
		if err != nil {
			return nil, err
		}
		if element != "" {
			all = append(all, ownField(scope, in.Sender), liftField(scope, in.Sender), element)
		}
	}
	return all, nil
}
