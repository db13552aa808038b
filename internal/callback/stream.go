package callback

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/message"
)

const (
	// StreamLength is how many events of a scope a subscriber can resume from.
	StreamLength = 10_000
	// SubscribersMax is how many subscribers one key may have, over all processes.
	SubscribersMax = 20

	subscriberTTL = 30 * time.Second // of one whose process has died
	readBlock     = 200 * time.Millisecond
	readCount     = 500
	bufferedMax   = 1000 // events that a subscriber may be behind the reader
	// announceWait is how long a first subscriber waits until every process knows
	// that its scope has events.
	announceWait = 300 * time.Millisecond
)

var (
	// ErrExpired says that the events after a position are no longer kept.
	ErrExpired = errors.New("events after the position are no longer kept")
	// ErrTooMany says that a key has as many subscribers as it may.
	ErrTooMany = errors.New("key has too many subscribers")
	// ErrSlow ends a subscription that does not keep up, or whose process stops.
	ErrSlow = errors.New("subscription was cut")
)

// StreamEvent is an event as subscribers get it.
type StreamEvent struct {
	ID   string
	Type Type
	Data []byte // the body of the callback
}

// Streams reads the streams of the scopes that have subscribers in this process,
// by one blocking read for all of them.
type Streams struct {
	background.Service

	rdb    redis.UniversalClient
	store  *Store
	scopes *Scopes
	wake   chan struct{}

	mu      sync.Mutex
	stopped bool
	open    map[string]*stream // by scope
}

// stream is that of one scope.
type stream struct {
	position    string // of the last event that was read
	subscribers map[*Subscription]struct{}
}

// NewStreams makes the reader of a process.
func NewStreams(rdb redis.UniversalClient, store *Store, scopes *Scopes) *Streams {
	s := &Streams{rdb: rdb, store: store, scopes: scopes, wake: make(chan struct{}, 1), open: make(map[string]*stream)}
	loop := background.Loop(s.run)
	s.Service = background.New(loop.Start, func(ctx context.Context) {
		s.cutAll()
		loop.Stop(ctx)
	})
	return s
}

// Subscription is one subscriber.
type Subscription struct {
	streams *Streams
	scope   string
	key     string
	name    string
	events  chan StreamEvent // closed when it is cut
	backlog []StreamEvent    // what is read before events
	last    string           // position of the last event that was passed on
	resumes bool             // older events may follow the backlog
}

// Subscribe begins a subscription of the events of a scope after a position; empty:
// from now on. It returns ErrTooMany and ErrExpired.
func (s *Streams) Subscribe(ctx context.Context, scope message.Scope, keyID, after string) (*Subscription, error) {
	sub := &Subscription{
		streams: s, scope: scope.String(), key: subscribersKey(scope.String() + ":" + keyID), name: rand.Text(),
		events: make(chan StreamEvent, bufferedMax), last: after, resumes: after != "",
	}
	if err := s.admit(ctx, sub); err != nil {
		return nil, err
	}
	if err := s.begin(ctx, scope, sub); err != nil {
		sub.Close(ctx)
		return nil, err
	}
	return sub, nil
}

// admit counts a subscriber of a key.
func (s *Streams) admit(ctx context.Context, sub *Subscription) error {
	now := s.store.now()
	pipe := s.rdb.TxPipeline()
	pipe.ZRemRangeByScore(ctx, sub.key, "-inf", strconv.FormatInt(millis(now), 10))
	pipe.ZAdd(ctx, sub.key, redis.Z{Score: float64(millis(now.Add(subscriberTTL))), Member: sub.name})
	pipe.PExpire(ctx, sub.key, 2*subscriberTTL)
	count := pipe.ZCard(ctx, sub.key)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("count subscribers", err)
	}
	if count.Val() <= SubscribersMax {
		return nil
	}
	if err := s.rdb.ZRem(ctx, sub.key, sub.name).Err(); err != nil {
		return unavailable("count subscribers", err)
	}
	return ErrTooMany
}

// begin finds the position and joins the readers.
func (s *Streams) begin(ctx context.Context, scope message.Scope, sub *Subscription) error {
	if err := s.announce(ctx, scope); err != nil {
		return err
	}
	if sub.last != "" {
		if err := s.check(ctx, sub); err != nil {
			return err
		}
	}
	newest, err := s.rdb.XRevRangeN(ctx, streamKey(sub.scope), "+", "-", 1).Result()
	if err != nil {
		return unavailable("read events", err)
	}
	position := "0-0"
	if len(newest) > 0 {
		position = newest[0].ID
	}
	if sub.last == "" {
		sub.last = position
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrSlow
	}
	if s.open[sub.scope] == nil {
		s.open[sub.scope] = &stream{position: position, subscribers: make(map[*Subscription]struct{})}
	}
	s.open[sub.scope].subscribers[sub] = struct{}{}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// check reports ErrExpired for a position before those that the stream has, and for
// one in the future. The event at the position may have been erased.
func (s *Streams) check(ctx context.Context, sub *Subscription) error {
	at, _, _ := strings.Cut(sub.last, "-")
	if age := s.store.now().Sub(instant(at)); age > SubscribedFor || age < -positionAhead {
		return ErrExpired
	}
	oldest, err := s.rdb.XRangeN(ctx, streamKey(sub.scope), "-", "+", 1).Result()
	if err != nil {
		return unavailable("read events", err)
	}
	if len(oldest) == 0 || newer(oldest[0].ID, sub.last) {
		return ErrExpired
	}
	return nil
}

// positionAhead is by how much Redis' clock, which dates positions, may be ahead of
// its estimate.
const positionAhead = time.Second

// startOf is the first position of a time.
func startOf(at time.Time) string { return strconv.FormatInt(millis(at), 10) }

// announce has the events of a scope recorded from now on, and returns once every
// process has had the time to learn of it.
func (s *Streams) announce(ctx context.Context, scope message.Scope) error {
	since, now := s.scopes.of(scope).subscribed, s.store.now()
	known := !since.IsZero()
	if !known {
		since = now
	}
	pipe := s.rdb.TxPipeline()
	pipe.HSet(ctx, scopesKey, subscribed+scope.String(), strconv.FormatInt(millis(since), 10)+" "+strconv.FormatInt(millis(now), 10))
	if !known {
		pipe.Publish(ctx, changedChannel, scope.String())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("announce subscriber", err)
	}
	if known {
		return nil
	}
	if err := s.scopes.Refresh(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(announceWait):
		return nil
	}
}

// Next waits for the next event. It returns ErrSlow when the subscription was cut.
func (sub *Subscription) Next(ctx context.Context) (StreamEvent, error) {
	for {
		if len(sub.backlog) == 0 && sub.resumes {
			if err := sub.catchUp(ctx); err != nil {
				return StreamEvent{}, err
			}
		}
		if e, found := sub.fromBacklog(); found {
			return e, nil
		}
		select {
		case <-ctx.Done():
			return StreamEvent{}, ctx.Err()
		case e, open := <-sub.events:
			if !open {
				return StreamEvent{}, ErrSlow
			}
			if sub.isNext(e) {
				return e, nil
			}
		}
	}
}

// Ready is Next for an event that is there already; found is false when none is.
func (sub *Subscription) Ready() (_ StreamEvent, found bool) {
	if e, found := sub.fromBacklog(); found || sub.resumes {
		return e, found
	}
	for {
		select {
		case e, open := <-sub.events:
			if !open {
				return StreamEvent{}, false // Next says so
			}
			if sub.isNext(e) {
				return e, true
			}
		default:
			return StreamEvent{}, false
		}
	}
}

func (sub *Subscription) fromBacklog() (_ StreamEvent, found bool) {
	if len(sub.backlog) == 0 {
		return StreamEvent{}, false
	}
	e := sub.backlog[0]
	sub.backlog, sub.last = sub.backlog[1:], e.ID
	return e, true
}

// isNext reports whether an event of the reader follows the last one that was passed
// on, and notes it as the last one then.
func (sub *Subscription) isNext(e StreamEvent) bool {
	follows := newer(e.ID, sub.last)
	if follows {
		sub.last = e.ID
	}
	return follows
}

// catchUp reads what follows the position, as much as one read has. The reader
// passes on what comes after the last of it.
func (sub *Subscription) catchUp(ctx context.Context) error {
	found, err := sub.streams.rdb.XRangeN(ctx, streamKey(sub.scope), "("+sub.last, "+", readCount).Result()
	if err != nil {
		return unavailable("read events", err)
	}
	for _, m := range found {
		sub.backlog = append(sub.backlog, sub.streams.store.readEvent(sub.scope, m))
	}
	sub.resumes = len(found) == readCount
	return nil
}

// KeepAlive keeps the subscriber counted and its scope's events recorded. It is due
// more often than every 30 s.
func (sub *Subscription) KeepAlive(ctx context.Context) error {
	now := sub.streams.store.now()
	scope, _ := parseScope(sub.scope)
	pipe := sub.streams.rdb.Pipeline()
	pipe.ZAdd(ctx, sub.key, redis.Z{Score: float64(millis(now.Add(subscriberTTL))), Member: sub.name})
	pipe.PExpire(ctx, sub.key, 2*subscriberTTL)
	if since := sub.streams.scopes.of(scope).subscribed; !since.IsZero() {
		pipe.HSet(ctx, scopesKey, subscribed+sub.scope, strconv.FormatInt(millis(since), 10)+" "+strconv.FormatInt(millis(now), 10))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("keep subscriber", err)
	}
	return nil
}

// Close ends the subscription.
func (sub *Subscription) Close(ctx context.Context) {
	s := sub.streams
	s.mu.Lock()
	if open := s.open[sub.scope]; open != nil {
		delete(open.subscribers, sub)
		if len(open.subscribers) == 0 {
			delete(s.open, sub.scope)
		}
	}
	s.mu.Unlock()
	_ = s.rdb.ZRem(ctx, sub.key, sub.name).Err() // it runs out by itself
}

// run reads the streams until ctx ends.
func (s *Streams) run(ctx context.Context) {
	for ctx.Err() == nil {
		positions := s.positions()
		if len(positions) == 0 {
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
			continue
		}
		read, err := s.rdb.XRead(ctx, &redis.XReadArgs{Streams: positions, Count: readCount, Block: readBlock}).Result()
		switch {
		case errors.Is(err, redis.Nil):
		case err != nil:
			select {
			case <-ctx.Done():
			case <-time.After(readBlock):
			}
		default:
			for _, one := range read {
				s.pass(strings.TrimPrefix(one.Stream, streamKey("")), one.Messages)
			}
		}
	}
}

// positions are the streams to read, and then the position of each.
func (s *Streams) positions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, ids := make([]string, 0, 2*len(s.open)), make([]string, 0, len(s.open))
	for scope, open := range s.open {
		keys, ids = append(keys, streamKey(scope)), append(ids, open.position)
	}
	return append(keys, ids...)
}

// pass passes events on. A subscriber that has no room for one is cut.
func (s *Streams) pass(scope string, read []redis.XMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[scope]
	if open == nil {
		return
	}
	for _, m := range read {
		e := s.store.readEvent(scope, m)
		open.position = e.ID
		for sub := range open.subscribers {
			select {
			case sub.events <- e:
			default:
				close(sub.events)
				delete(open.subscribers, sub)
			}
		}
	}
}

// cutAll ends all subscriptions, since the process stops.
func (s *Streams) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for scope, open := range s.open {
		for sub := range open.subscribers {
			close(sub.events)
		}
		delete(s.open, scope)
	}
}

// readEvent reads an entry of a stream. The data of one that cannot be decrypted are null.
func (s *Store) readEvent(scope string, m redis.XMessage) StreamEvent {
	t, _ := m.Values["type"].(string)
	kept, _ := m.Values["data"].(string)
	data, err := s.sealer.open(kept, streamPlace(scope))
	if err != nil {
		data = `{"type":` + strconv.Quote(t) + `,"data":null}`
	}
	return StreamEvent{ID: m.ID, Type: Type(t), Data: []byte(data)}
}

// newer compares positions.
func newer(a, b string) bool {
	ms1, n1 := position(a)
	ms2, n2 := position(b)
	return ms1 > ms2 || ms1 == ms2 && n1 > n2
}

func position(id string) (ms, n int64) {
	before, after, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseInt(before, 10, 64)
	n, _ = strconv.ParseInt(after, 10, 64)
	return ms, n
}
