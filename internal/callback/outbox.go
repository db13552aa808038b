package callback

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mmsdispatch/internal/message"
)

// OutboxKey is the list of events that are about no state of a message. A store
// writes what Outbox makes to it in one transaction with what the event is about.
const OutboxKey = outboxKey

// posted is an event in the outbox.
type posted struct {
	ID    string          `json:"id"`
	Scope string          `json:"scope"`
	Type  Type            `json:"type"`
	At    int64           `json:"at"` // Unix milliseconds
	Data  json.RawMessage `json:"data"`
}

// Outbox are the elements of the outbox for an event of a type to each of the scopes
// that have events.
func (s *Scopes) Outbox(scopes []message.Scope, t Type, data []byte, at time.Time) ([]any, error) {
	var all []any
	for _, scope := range scopes {
		if !s.Has(scope) {
			continue
		}
		e := NewEvent(scope, t, data, at)
		one, err := json.Marshal(posted{ID: e.ID, Scope: scope.String(), Type: t, At: millis(at), Data: data})
		if err != nil {
			return nil, fmt.Errorf("event: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// outboxRead is how many events are taken from the outbox at a time.
const outboxRead = 100

// outbox records the events of the outbox and takes them out.
func (c *Consumer) outbox(ctx context.Context) error {
	items, err := c.store.rdb.LRange(ctx, outboxKey, 0, outboxRead-1).Result()
	if err != nil || len(items) == 0 {
		return err //nolint:wrapcheck // by the caller
	}
	events := make([]Event, 0, len(items))
	for _, item := range items {
		var p posted
		if json.Unmarshal([]byte(item), &p) != nil {
			continue // not ours
		}
		if scope, ok := parseScope(p.Scope); ok {
			events = append(events, Event{ID: p.ID, Scope: scope, Type: p.Type, At: time.UnixMilli(p.At).UTC(), Data: p.Data})
		}
	}
	if err := c.record(ctx, events); err != nil {
		return err
	}
	return c.store.rdb.LTrim(ctx, outboxKey, int64(len(items)), -1).Err()
}

// record records events for those who ask for them.
func (c *Consumer) record(ctx context.Context, events []Event) error {
	var all []emission
	for _, e := range events {
		configuration, err := c.configuration(ctx, e.Scope)
		if err != nil {
			return err
		}
		one := emission{subject: e.ID, scope: e.Scope, upTo: 1, keep: 2 * TryFor}
		if c.scopes.streams(e.Scope, e.At) {
			one.entries = []entry{{event: e.Type, body: body(e.Type, e.At, e.Data, 1)}}
		}
		if configuration.asksFor(e.Type, e.At) {
			one.deliveries = []planned{{id: e.ID, address: configuration.URL, event: e.Type, subject: e.ID, data: string(e.Data)}}
		}
		if len(one.entries)+len(one.deliveries) > 0 {
			all = append(all, one)
		}
	}
	return c.store.emitAll(ctx, all)
}

// batches records the events of batches that are done.
func (c *Consumer) batches(ctx context.Context) error {
	changed, err := c.ledger.ChangedBatches(ctx, outboxRead)
	if err != nil {
		return fmt.Errorf("changed batches: %w", err)
	}
	for _, b := range changed {
		if b.Done {
			e := Event{
				ID: deliveryPrefix + string(b.ID) + fmt.Sprintf("-%d", b.Total), Scope: b.Scope, Type: TypeBatchDone,
				At: b.At, Data: c.show.Batch(b.Batch),
			}
			if err := c.record(ctx, []Event{e}); err != nil {
				return err
			}
		}
		if err := c.ledger.HandledBatch(ctx, b); err != nil {
			return fmt.Errorf("changed batches: %w", err)
		}
	}
	return nil
}
