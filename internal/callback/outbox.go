package callback

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

// OutboxKey is the list of events that are about no state of a message. A store
// pushes what Outbox makes to it in one transaction with what the event is about.
const OutboxKey = outboxKey

// posted is an event in the outbox.
type posted struct {
	ID      string          `json:"id"`
	Scope   string          `json:"scope"`
	Type    Type            `json:"type"`
	At      int64           `json:"at"`                // Unix milliseconds
	Subject string          `json:"subject,omitempty"` // of an event whose data are read when they are needed
	Data    json.RawMessage `json:"data,omitempty"`
	Sealed  []byte          `json:"sealed,omitempty"` // Data, encrypted
}

// Outbox makes the elements of the list OutboxKey.
type Outbox struct {
	scopes *Scopes
	sealer sealer
}

// NewOutbox makes an outbox. What it makes is encrypted like all that is kept of
// events.
func NewOutbox(scopes *Scopes, keys *encryption.Keys) *Outbox {
	return &Outbox{scopes: scopes, sealer: sealer{keys: keys}}
}

// Scopes are the scopes that have events.
func (o *Outbox) Scopes() []message.Scope { return o.scopes.All() }

// Event is the element for an event with data in JSON, or with a subject by which
// Show finds them. It is empty for a scope that has no events.
func (o *Outbox) Event(scope message.Scope, t Type, subject string, data []byte, at time.Time) (string, error) {
	if !o.scopes.Has(scope) {
		return "", nil
	}
	p := posted{ID: NewEvent(scope, t, nil, at).ID, Scope: scope.String(), Type: t, At: millis(at), Subject: subject}
	if sealed, found := strings.CutPrefix(o.sealer.seal(string(data), outboxPlace(p.ID)), sealedMark); found {
		p.Sealed = []byte(sealed)
	} else {
		p.Data = data
	}
	element, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("event: %w", err)
	}
	return string(element), nil
}

// readPosted is the event of an element; ok is false for one that is not ours.
func (s *Store) readPosted(element string) (e Event, ok bool, err error) {
	var p posted
	if json.Unmarshal([]byte(element), &p) != nil {
		return Event{}, false, nil //nolint:nilerr // what nobody can read is dropped
	}
	scope, ok := parseScope(p.Scope)
	e = Event{ID: p.ID, Scope: scope, Type: p.Type, At: time.UnixMilli(p.At).UTC(), Subject: p.Subject, Data: p.Data}
	if len(p.Sealed) > 0 {
		plain, err := s.sealer.open(sealedMark+string(p.Sealed), outboxPlace(p.ID))
		if err != nil {
			return Event{}, false, err
		}
		e.Data = []byte(plain)
	}
	return e, ok, nil
}

// outboxRead is how many events are taken from the outbox at a time.
const outboxRead = 100

// outbox records the events of the outbox and takes them out.
func (c *Consumer) outbox(ctx context.Context) error {
	elements, err := c.store.rdb.LRange(ctx, outboxKey, 0, outboxRead-1).Result()
	if err != nil || len(elements) == 0 {
		return err //nolint:wrapcheck // by the caller
	}
	var events []Event
	pipe := c.store.rdb.Pipeline()
	for _, element := range elements {
		e, ok, err := c.store.readPosted(element)
		if err != nil {
			c.log.Error().Str("delivery_id", e.ID).Err(err).Msg("event is unreadable; it waits")
			continue
		}
		if ok {
			events = append(events, e)
		}
		pipe.LRem(ctx, outboxKey, 1, element) // by value: another consumer may have taken some out
	}
	if err := c.record(ctx, events); err != nil {
		return err
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("take events out", err)
	}
	return nil
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
			data, err := c.dataOf(ctx, e)
			if err != nil {
				return err
			}
			if data != nil {
				one.entries = []entry{{event: e.Type, body: body(e.Type, e.At, data, 1)}}
			}
		}
		if configuration.asksFor(e.Type, e.At) {
			one.deliveries = []planned{{
				id: e.ID, address: configuration.URL, event: e.Type, subject: cmp.Or(e.Subject, e.ID), data: string(e.Data),
			}}
		}
		if len(one.entries)+len(one.deliveries) > 0 {
			all = append(all, one)
		}
	}
	return c.store.emitAll(ctx, all)
}

// dataOf are the data of an event; nil: what it is about is no longer kept, or its
// key is missing.
func (c *Consumer) dataOf(ctx context.Context, e Event) ([]byte, error) {
	if e.Subject == "" {
		return e.Data, nil
	}
	data, err := c.show.Inbound(ctx, e.Subject)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case errors.Is(err, encryption.ErrKeyMissing):
		c.log.Error().Str("delivery_id", e.ID).Err(err).Msg("inbound message is unreadable; the stream lacks its event")
		return nil, nil
	default:
		return data, err
	}
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
