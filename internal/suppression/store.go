package suppression

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

//go:embed lua/*.lua
var scripts embed.FS

// Metrics counts the changes and uses of opt-outs.
type Metrics interface {
	// OptedOut counts an opt-out by its source; new or repeated.
	OptedOut(source string)
	// OptedIn counts an opt-out that was removed by a source.
	OptedIn(source string)
	// Suppressed counts a lookup that prevented a message from being sent.
	Suppressed()
}

// Events makes the events of changes.
type Events interface {
	// Scopes are those that have events.
	Scopes() []message.Scope
	// OptOut is the element of OutboxKey for an opt-out that was added to those of a
	// scope, or removed; empty: none.
	OptOut(scope message.Scope, added bool, e Entry, at time.Time) (string, error)
}

// Store keeps the opt-outs in Redis.
type Store struct {
	rdb     redis.UniversalClient
	metrics Metrics
	senders message.SenderTenants
	events  Events
	outbox  string
	put     *redis.Script
	inbound *redis.Script
	remove  *redis.Script
	numbers *numbers
	nowFunc func() time.Time
}

// endedKept is the time for which a record without opt-outs in effect is kept. Late
// inbound messages, older than the last one, are recognised until then.
const endedKept = 30 * 24 * time.Hour

// Options are the parts and settings of a Store.
type Options struct {
	Redis   redis.UniversalClient
	Metrics Metrics
	// Keys encrypt the numbers; nil: nothing is encrypted.
	Keys *encryption.Keys
	// Senders says for which tenants a STOP to a sender counts.
	Senders message.SenderTenants
	// Events makes events, which are pushed to the list OutboxKey in one step with the
	// change; nil: there are none.
	Events    Events
	OutboxKey string
	// Embedded is true for the Redis of the development mode.
	Embedded bool
}

// NewStore creates a store. Its Follow has to run.
func NewStore(o Options) (*Store, error) {
	s := &Store{
		rdb: o.Redis, metrics: o.Metrics, nowFunc: time.Now, senders: o.Senders, events: o.Events, outbox: cmp.Or(o.OutboxKey, numbersKey),
		numbers: &numbers{rdb: o.Redis, keys: o.Keys, encrypts: o.Keys.On()},
	}
	shared, err := scripts.ReadFile("lua/shared.lua")
	if err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	for name, script := range map[string]**redis.Script{
		"put": &s.put, "inbound": &s.inbound, "remove": &s.remove, "numbers": &s.numbers.load, "convert": &s.numbers.convert,
	} {
		source, err := scripts.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		*script = redisconn.NewScript(string(source), string(shared), o.Embedded)
	}
	return s, nil
}

// Key is a key of Redis that exists when a number may have opted out. It
// begins with redisconn.KeyPrefix.
func (s *Store) Key(number string) string { return s.numbers.key(number) }

// name is the number key. The record of the number stands under its hash, also
// when it did not before.
func (s *Store) name(ctx context.Context, number string) (*numberKey, error) {
	k, err := s.numbers.get(ctx)
	if err != nil || k.keys == nil || k.converted {
		return k, err
	}
	return k, s.numbers.convertOne(ctx, k, number)
}

// under writes about a number, and again when numbers are hashed by another key
// than was known: write says so.
func (s *Store) under(ctx context.Context, number string, write func(k *numberKey) (current bool, err error)) error {
	for range 2 {
		k, err := s.name(ctx, number)
		if err != nil {
			return err
		}
		current, err := write(k)
		if err != nil || current {
			return err
		}
		if _, err := s.numbers.read(ctx); err != nil {
			return err
		}
	}
	return errNumberKey
}

// now is the time in the precision of the records.
func (s *Store) now() time.Time { return s.nowFunc().UTC().Truncate(time.Millisecond) }

// Put records the opt-out of a number by a caller. created is false when the caller
// had opted it out before: the opt-out gets the new reason and keeps its time.
func (s *Store) Put(ctx context.Context, scope message.Scope, number, sender, reason string) (e Entry, created bool, err error) {
	return s.add(ctx, scope, Entry{Number: number, Sender: sender, Reason: reason, Source: SourceAPI})
}

// Block records that Sinch refuses to send to a number; code is Sinch's error code.
func (s *Store) Block(ctx context.Context, scope message.Scope, number, sender, code string) error {
	_, _, err := s.add(ctx, scope, Entry{Number: number, Sender: sender, Reason: code, Source: SourceSinch})
	return err
}

func (s *Store) add(ctx context.Context, scope message.Scope, e Entry) (Entry, bool, error) {
	e.CreatedAt = s.now()
	event, err := s.event(scope, true, e)
	if err != nil {
		return Entry{}, false, err
	}
	var reply []any
	err = s.under(ctx, e.Number, func(k *numberKey) (current bool, err error) {
		keys := []string{k.recordKey(e.Number), listKey(scope.String()), numbersKey, s.outbox}
		reply, err = s.put.Run(ctx, s.rdb, keys, ownField(scope, e.Sender), e.CreatedAt.UnixMilli(), string(e.Source), e.Reason,
			place{name: k.name(e.Number), sender: e.Sender}.member(), k.generation, k.seal(e.Number), event).Slice()
		return len(reply) > 0, err //nolint:wrapcheck // by the caller
	})
	if err != nil {
		return Entry{}, false, unavailable("add opt-out", err)
	}
	const parts = 2
	if len(reply) != parts {
		return Entry{}, false, unavailable("add opt-out", errReply)
	}
	created, _ := reply[0].(int64)
	value, _ := reply[1].(string)
	recorded := parseValue(value)
	e.CreatedAt, e.Source, e.Reason = recorded.at, Source(recorded.kind), recorded.text
	s.metrics.OptedOut(string(e.Source))
	return e, created == 1, nil
}

// Inbound is a keyword that a phone sent to a sender.
type Inbound struct {
	Number  string
	Sender  string // EverySender when it is not known
	Meaning Meaning
	Word    string
	At      time.Time // zero: now
}

// HandleInbound records a keyword of a phone, for all tenants. A keyword that is
// older than the last one changes nothing; of two with the same time the one that
// came later counts. A time in the future counts as now.
func (s *Store) HandleInbound(ctx context.Context, in Inbound) error {
	at := s.now()
	if !in.At.IsZero() && in.At.Before(at) {
		at = in.At
	}
	events, err := s.inboundEvents(in, at)
	if err != nil {
		return err
	}
	last := false
	err = s.under(ctx, in.Number, func(k *numberKey) (current bool, err error) {
		args := []any{
			wordField(in.Sender), at.UnixMilli(), string(in.Meaning), in.Word, place{name: k.name(in.Number), sender: in.Sender}.member(),
			endedKept.Milliseconds(), k.generation, k.seal(in.Number),
		}
		keys := []string{k.recordKey(in.Number), stopsKey, numbersKey, s.outbox}
		answer, err := s.inbound.Run(ctx, s.rdb, keys, append(args, events...)...).Int()
		last = answer == 1
		return answer >= 0, err //nolint:wrapcheck // by the caller
	})
	switch {
	case err != nil:
		return unavailable("record inbound opt-out", err)
	case last && in.Meaning == Stop:
		s.metrics.OptedOut(string(SourceInbound))
	case last:
		s.metrics.OptedIn(string(SourceInbound))
	}
	return nil
}

// load reads the record of a number.
func (s *Store) load(ctx context.Context, number string) (record, error) {
	k, err := s.name(ctx, number)
	if err != nil {
		return record{}, err
	}
	fields, err := s.rdb.HGetAll(ctx, k.recordKey(number)).Result()
	if err != nil {
		return record{}, unavailable("read opt-outs", err)
	}
	return record{number: number, fields: fields, senders: s.senders}, nil
}

// Get reads the opt-out of a number: the one that suppresses messages of a sender
// or, for EverySender, the widest one. The error is ErrNotFound when there is none.
func (s *Store) Get(ctx context.Context, scope message.Scope, number, sender string) (Entry, error) {
	r, err := s.load(ctx, number)
	if err != nil {
		return Entry{}, err
	}
	for _, e := range r.entries(scope) {
		if sender == EverySender || e.covers(sender) {
			return e, nil
		}
	}
	return Entry{}, ErrNotFound
}

// Suppressed reports whether a message from sender to number must not be sent. HELP
// is answered after a STOP, too (CTIA Messaging Principles, customer care).
func (s *Store) Suppressed(ctx context.Context, scope message.Scope, number, sender string) (bool, error) {
	if scope == message.ServiceScope() {
		return false, nil
	}
	r, err := s.load(ctx, number)
	if err != nil {
		return false, err
	}
	found := slices.ContainsFunc(r.entries(scope), func(e Entry) bool { return e.covers(sender) })
	if found {
		s.metrics.Suppressed()
	}
	return found, nil
}

// Delete removes the opt-outs of a number for a scope: those of one sender, or all
// for EverySender. STOPs so far no longer count for the scope; they still count for
// others, and a new STOP counts for all. Deleting a missing opt-out is no error.
func (s *Store) Delete(ctx context.Context, scope message.Scope, number, sender string) error {
	r, err := s.load(ctx, number)
	if err != nil {
		return err
	}
	k, err := s.numbers.get(ctx)
	if err != nil {
		return err
	}
	args, err := s.removal(k, r, scope, sender)
	if err != nil || args == nil {
		return err
	}
	if err := s.remove.Run(ctx, s.rdb, []string{k.recordKey(number), listKey(scope.String()), s.outbox}, args...).Err(); err != nil {
		return unavailable("delete opt-out", err)
	}
	s.metrics.OptedIn(string(SourceAPI))
	return nil
}

// removal are the arguments of the script that removes the opt-outs of a record for
// a scope; nil: there are none.
func (s *Store) removal(k *numberKey, r record, scope message.Scope, sender string) ([]any, error) {
	var own, lifts []any
	for _, e := range r.ownEntries(scope) {
		if sender != EverySender && sender != e.Sender {
			continue
		}
		event, err := s.event(scope, false, e)
		if err != nil {
			return nil, err
		}
		own = append(own, ownField(scope, e.Sender), place{name: k.name(r.number), sender: e.Sender}.member(), event)
	}
	if !scope.Test {
		for _, stop := range r.stops(scope) { // up to this one: the next STOP counts, even a moment later
			if sender != EverySender && sender != stop.Sender {
				continue
			}
			event, err := s.event(scope, false, stop)
			if err != nil {
				return nil, err
			}
			lifts = append(lifts, liftField(scope, stop.Sender), stop.CreatedAt.UnixMilli(), event)
		}
	}
	if len(own)+len(lifts) == 0 {
		return nil, nil
	}
	return slices.Concat([]any{endedKept.Milliseconds(), len(own)}, own, lifts), nil
}
