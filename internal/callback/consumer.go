package callback

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// Ledger is what the consumer needs of the record of messages.
type Ledger interface {
	Changed(ctx context.Context, c ledger.Consumer, n int) ([]ledger.Changed, error)
	ChangedSettled(ctx context.Context, c ledger.Consumer, ago time.Duration, n int) ([]ledger.Changed, error)
	Handled(ctx context.Context, c ledger.Consumer, done []ledger.Changed) error
	ChangedBatches(ctx context.Context, n int) ([]ledger.ChangedBatch, error)
	HandledBatch(ctx context.Context, b ledger.ChangedBatch) error
	Get(ctx context.Context, id message.ID) (*message.Message, error)
}

// Show is how the data of events look, in JSON.
type Show struct {
	Message func(m *message.Message) []byte // without its content
	Batch   func(b ledger.Batch) []byte
	// Inbound reads an inbound message by its id. The error is ErrNotFound when it is
	// no longer kept.
	Inbound func(ctx context.Context, id string) ([]byte, error)
}

// Consumer turns what has changed into events. One of all processes does so at a
// time; two at once do no harm, since each event is recorded once.
type Consumer struct {
	ledger Ledger
	store  *Store
	scopes *Scopes
	show   Show
	locker *redislock.Client
	ttl    time.Duration // how long records of messages are kept
	settle time.Duration
	log    zerolog.Logger

	configurations map[message.Scope]Configuration // as read in this round
	trimmed        time.Time
}

// ConsumerOptions are what a consumer is made of.
type ConsumerOptions struct {
	Redis     redis.UniversalClient
	Ledger    Ledger
	Store     *Store
	Scopes    *Scopes
	Show      Show
	RecordTTL time.Duration
	// Settle is how long after its first change a message is handled, so that one that
	// changes again within it is handled once; zero: at once.
	Settle time.Duration
	Log    zerolog.Logger
}

// DefaultSettle is longer than most requests to Sinch take, and not felt by those who
// wait for an event.
const DefaultSettle = 200 * time.Millisecond

// NewConsumer makes a consumer.
func NewConsumer(o ConsumerOptions) *Consumer {
	return &Consumer{
		ledger: o.Ledger, store: o.Store, scopes: o.Scopes, show: o.Show, locker: redislock.New(o.Redis), ttl: o.RecordTTL,
		settle: o.Settle, log: o.Log,
	}
}

const (
	consumerLock = redisconn.KeyPrefix + "callback:consumer"
	// lockTTL bounds how long events wait after the consumer's process has died.
	lockTTL      = 3 * time.Second
	refreshLock  = time.Second
	consumeEvery = 50 * time.Millisecond
	consumeIdle  = 500 * time.Millisecond
	consumeBatch = 200
	trimEvery    = time.Minute
)

// Run consumes until ctx ends.
func (c *Consumer) Run(ctx context.Context) {
	var lock *redislock.Lock
	var held time.Time
	defer func() { c.release(lock) }()
	for {
		if time.Since(held) >= refreshLock {
			lock, held = c.hold(ctx, lock), time.Now()
		}
		pause := refreshLock
		if lock != nil {
			pause = c.consume(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// consume makes one round and returns the pause before the next one.
func (c *Consumer) consume(ctx context.Context) time.Duration {
	n, err := c.Round(ctx)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			c.log.Warn().Err(err).Msg("events not recorded; they wait")
		}
		return consumeIdle
	case n >= consumeBatch:
		return 0
	case n > 0 || len(c.scopes.All()) > 0:
		return consumeEvery
	default:
		return consumeIdle
	}
}

// hold keeps the lock or tries to get it; nil: another process consumes.
func (c *Consumer) hold(ctx context.Context, lock *redislock.Lock) *redislock.Lock {
	if lock != nil && lock.Refresh(ctx, lockTTL, nil) == nil {
		return lock
	}
	lock, err := c.locker.Obtain(ctx, consumerLock, lockTTL, nil)
	if err != nil {
		return nil
	}
	return lock
}

func (c *Consumer) release(lock *redislock.Lock) {
	if lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := lock.Release(ctx); err != nil {
		c.log.Debug().Msg("lock of the callbacks had run out")
	}
}

// Round records the events of what has changed, and returns how many messages it
// has handled.
func (c *Consumer) Round(ctx context.Context) (handled int, err error) {
	c.configurations = make(map[message.Scope]Configuration)
	handled, err = c.messages(ctx)
	if err != nil {
		return handled, err
	}
	if len(c.scopes.All()) == 0 {
		return handled, nil // no other events are selected
	}
	if err := errors.Join(c.outbox(ctx), c.batches(ctx)); err != nil {
		return handled, err
	}
	return handled, c.trim(ctx)
}

// trim removes what is beyond the deliveries that are listed, some of each scope in
// each round until nothing is left to remove.
func (c *Consumer) trim(ctx context.Context) error {
	if time.Since(c.trimmed) < trimEvery {
		return nil
	}
	all := true
	for _, scope := range c.scopes.All() {
		done, err := c.store.trim(ctx, scope.String())
		if err != nil {
			return unavailable("trim deliveries", err)
		}
		all = all && done
	}
	if all {
		c.trimmed = time.Now()
	}
	return nil
}

func (c *Consumer) messages(ctx context.Context) (handled int, err error) {
	changed, err := c.changed(ctx)
	if err != nil || len(changed) == 0 {
		return 0, err
	}
	all, err := c.emissions(ctx, changed)
	if err != nil {
		return 0, err
	}
	if err := c.store.emitAll(ctx, all); err != nil {
		return 0, err
	}
	if err := c.ledger.Handled(ctx, ledger.ConsumerCallbacks, changed); err != nil {
		return 0, fmt.Errorf("changed messages: %w", err)
	}
	return len(changed), nil
}

func (c *Consumer) changed(ctx context.Context) ([]ledger.Changed, error) {
	if c.settle <= 0 {
		return c.ledger.Changed(ctx, ledger.ConsumerCallbacks, consumeBatch)
	}
	return c.ledger.ChangedSettled(ctx, ledger.ConsumerCallbacks, c.settle, consumeBatch)
}

// emissions are the events of changed messages.
func (c *Consumer) emissions(ctx context.Context, changed []ledger.Changed) ([]emission, error) {
	seen, err := c.store.seen(ctx, changed)
	if err != nil {
		return nil, err
	}
	all := make([]emission, 0, len(changed))
	for i, one := range changed {
		if one.Err != nil {
			if !errors.Is(one.Err, ledger.ErrNotFound) {
				c.log.Error().Str("message_id", string(one.ID)).Err(one.Err).Msg("changed message is unreadable; its events wait")
			}
			continue
		}
		configuration, err := c.configuration(ctx, one.Message.Scope)
		if err != nil {
			return nil, err
		}
		if e, found := c.emission(one.Message, seen[i], configuration); found {
			all = append(all, e)
		}
	}
	return all, nil
}

// configuration reads the configuration of a scope once a round. One without a URL
// selects none.
func (c *Consumer) configuration(ctx context.Context, scope message.Scope) (Configuration, error) {
	if known, found := c.configurations[scope]; found {
		return known, nil
	}
	configuration, err := c.store.Get(ctx, scope)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Configuration{}, err
	}
	c.configurations[scope] = configuration
	return configuration, nil
}

// progress is how far the events of a message have come.
type progress struct {
	n      int            // number of the entry of the timeline
	status message.Status // after it
	gone   bool           // the message's own URL has answered 410
}

// seen reads how far the events of messages have come.
func (s *Store) seen(ctx context.Context, changed []ledger.Changed) ([]progress, error) {
	pipe := s.rdb.Pipeline()
	reads := make([]*redis.SliceCmd, len(changed))
	for i, one := range changed {
		reads[i] = pipe.HMGet(ctx, seenKey(string(one.ID)), "n", "status", "gone")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read progress", err)
	}
	all := make([]progress, len(changed))
	for i, read := range reads {
		values := read.Val()
		text, _ := values[0].(string)
		status, _ := values[1].(string)
		n, _ := strconv.Atoi(text)
		all[i] = progress{n: n, status: message.Status(status), gone: values[2] != nil}
	}
	return all, nil
}

// from is the progress as the script compares it.
func (p progress) from() string {
	if p.n == 0 {
		return ""
	}
	return strconv.Itoa(p.n)
}

// emission are the events of a message that have not been recorded; found is false
// where there is nothing to record.
func (c *Consumer) emission(m *message.Message, seen progress, configuration Configuration) (_ emission, found bool) {
	last := len(m.Timeline) - 1
	if last < 0 || m.EntryNumber(last) <= seen.n {
		return emission{}, false
	}
	e := emission{
		subject: string(m.ID), scope: m.Scope, from: seen.from(), upTo: m.EntryNumber(last), status: m.Timeline[last].Status,
	}
	if m.Status.Expires() {
		e.keep = c.ttl + 2*TryFor
	}
	for i, line := range m.Timeline {
		n := m.EntryNumber(i)
		if n <= seen.n {
			continue
		}
		before := message.Status("") // unknown
		if seen.n == n-1 {
			before = seen.status
		}
		event := typeOf(line.Status)
		if event == "" || !m.Changed(i, before) {
			continue
		}
		if c.scopes.streams(m.Scope, line.At) {
			e.entries = append(e.entries, entry{event: event, body: c.body(m, i)})
		}
		if p, wanted := plan(m, n, event, line.At, seen, configuration); wanted {
			e.deliveries = append(e.deliveries, p)
		}
	}
	return e, true
}

// plan is the delivery of entry n of a message; wanted is false where there is none.
func plan(m *message.Message, n int, t Type, at time.Time, seen progress, c Configuration) (_ planned, wanted bool) {
	p := planned{id: deliveryID(m.ID, n), event: t, subject: string(m.ID), own: m.Content.CallbackURL}
	if p.own != "" {
		p.address = p.own
		return p, !seen.gone
	}
	p.address = c.URL
	return p, c.asksFor(t, at)
}

// body is the body of the event of entry i of a message.
func (c *Consumer) body(m *message.Message, i int) []byte { return messageBody(c.show, m, i) }

func messageBody(show Show, m *message.Message, i int) []byte {
	line := m.Timeline[i]
	return body(typeOf(line.Status), line.At, show.Message(m.AsOf(i)), m.EntryNumber(i))
}

// streams reports whether events of a scope at a time go to its stream.
func (s *Scopes) streams(scope message.Scope, at time.Time) bool {
	since := s.of(scope).subscribed
	return !since.IsZero() && !at.Before(since.Add(-sinceSlack))
}
