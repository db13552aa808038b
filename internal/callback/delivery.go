package callback

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// Status is the state of a delivery.
type Status string

// The states.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered"
	Failed    Status = "failed"
)

// Delivery is one event on its way to one URL.
type Delivery struct {
	ID            string
	Event         Type
	MessageID     string // empty: it is about no message
	URL           string // of the last attempt, or of the message; empty: none yet
	Status        Status
	Attempts      int
	CreatedAt     time.Time
	LastAttemptAt time.Time
	NextAttemptAt time.Time
	Response      int // status of the last response; 0: none
	Error         string

	scope    string
	subject  string
	endpoint string
	own      string // the URL of the message; empty: that of the configuration
	data     string // the body's data, of an event that is about no state of a message
	until    time.Time
}

func (s *Store) readDelivery(id string, fields map[string]string) (Delivery, error) {
	if fields["status"] == "" {
		return Delivery{}, ErrNotFound
	}
	for field, place := range map[string]string{"own": ownPlace(id), "data": dataPlace(id), "url": attemptPlace(id)} {
		plain, err := s.sealer.open(fields[field], place)
		if err != nil {
			return Delivery{}, err
		}
		fields[field] = plain
	}
	attempts, _ := strconv.Atoi(fields["attempts"])
	response, _ := strconv.Atoi(fields["response"])
	d := Delivery{
		ID: id, Event: Type(fields["type"]), URL: fields["url"], Status: Status(fields["status"]), Attempts: attempts,
		CreatedAt: instant(fields["created"]), LastAttemptAt: instant(fields["last"]), NextAttemptAt: instant(fields["next"]),
		Response: response, Error: fields["error"],
		scope: fields["scope"], subject: fields["subject"], endpoint: fields["endpoint"], own: fields["own"], data: fields["data"],
		until: instant(fields["until"]),
	}
	if _, err := message.ParseID(fields["subject"]); err == nil {
		d.MessageID = fields["subject"]
	}
	if d.URL == "" {
		d.URL = d.own
	}
	return d, nil
}

// How long the record of a delivery is kept after its end, and how many of a scope
// are listed.
const (
	deliveredKept  = 24 * time.Hour
	failedKept     = 7 * 24 * time.Hour
	deliveriesKept = 10_000
	deliveriesRead = 200
)

// Position is a place in the list of a scope's deliveries, newest first; the zero
// value is the beginning.
type Position struct {
	CreatedAt int64 // Unix milliseconds
	ID        string
}

// before reports whether a delivery of a time in ms comes behind the position.
func (p Position) before(at int64, id string) bool {
	return p.ID == "" || at < p.CreatedAt || at == p.CreatedAt && id < p.ID
}

// Filter chooses deliveries.
type Filter struct {
	MessageID message.ID // empty: any
	Statuses  []Status   // empty: any
}

func (f Filter) matches(d Delivery) bool {
	return len(f.Statuses) == 0 || slices.Contains(f.Statuses, d.Status)
}

// List lists up to limit deliveries of a scope behind a position, newest first: of the
// latest deliveriesKept, or all that there are of a message.
func (s *Store) List(ctx context.Context, scope message.Scope, f Filter, after Position, limit int) ([]Delivery, error) {
	if f.MessageID != "" {
		return s.listOf(ctx, scope, f, after, limit)
	}
	listed, err := s.rdb.ZRevRangeWithScores(ctx, deliveriesKey(scope.String()), 0, deliveriesKept-1).Result()
	if err != nil {
		return nil, unavailable("list deliveries", err)
	}
	ids := make([]string, 0, len(listed))
	for _, z := range listed {
		if id, _ := z.Member.(string); after.before(int64(z.Score), id) {
			ids = append(ids, id)
		}
	}
	found := make([]Delivery, 0, limit)
	for some := range slices.Chunk(ids, deliveriesRead) {
		read, err := s.readDeliveries(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, d := range read {
			if f.matches(d) {
				found = append(found, d)
			}
		}
		if len(found) >= limit {
			return found[:limit], nil
		}
	}
	return found, nil
}

// listOf is List for the deliveries of one message. Their ids follow from how far its
// events have come.
func (s *Store) listOf(ctx context.Context, scope message.Scope, f Filter, after Position, limit int) ([]Delivery, error) {
	text, err := s.rdb.HGet(ctx, seenKey(string(f.MessageID)), "n").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable("read progress", err)
	}
	last, _ := strconv.Atoi(text)
	var ids []string
	for n := last; n > max(0, last-deliveriesKept); n-- {
		ids = append(ids, deliveryID(f.MessageID, n))
	}
	var found []Delivery
	for some := range slices.Chunk(ids, deliveriesRead) {
		read, err := s.readDeliveries(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, d := range read {
			if d.scope == scope.String() && f.matches(d) && after.before(d.CreatedAt.UnixMilli(), d.ID) {
				found = append(found, d)
			}
		}
	}
	slices.SortFunc(found, func(a, b Delivery) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
	return found[:min(limit, len(found))], nil
}

// readDeliveries reads those of the deliveries that there are.
func (s *Store) readDeliveries(ctx context.Context, ids []string) ([]Delivery, error) {
	pipe := s.rdb.Pipeline()
	reads := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		reads[i] = pipe.HGetAll(ctx, deliveryKey(id))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read deliveries", err)
	}
	found := make([]Delivery, 0, len(ids))
	for i, id := range ids {
		if d, err := s.readDelivery(id, reads[i].Val()); err == nil {
			found = append(found, d)
		}
	}
	return found, nil
}

// delivery reads one delivery, or returns ErrNotFound.
func (s *Store) delivery(ctx context.Context, id string) (Delivery, error) {
	fields, err := s.rdb.HGetAll(ctx, deliveryKey(id)).Result()
	if err != nil {
		return Delivery{}, unavailable("read delivery", err)
	}
	return s.readDelivery(id, fields)
}

// Redeliver makes a delivery due now, whatever its state. It keeps its id. It
// returns ErrNotFound for one of another scope.
func (s *Store) Redeliver(ctx context.Context, scope message.Scope, id string) error {
	d, err := s.delivery(ctx, id)
	if err != nil {
		return err
	}
	if d.scope != scope.String() {
		return ErrNotFound
	}
	keys := []string{deliveryKey(id), dueKey(d.endpoint), endpointsKey, countsKey}
	made, err := s.redeliver.Run(ctx, s.rdb, keys, id, d.endpoint, TryFor.Milliseconds()).Bool()
	switch {
	case err != nil:
		return unavailable("redeliver", err)
	case !made:
		return ErrNotFound
	default:
		return nil
	}
}

// Test delivers an event of type test. It returns ErrNotFound for a scope without a
// configuration.
func (s *Store) Test(ctx context.Context, scope message.Scope) error {
	c, err := s.Get(ctx, scope)
	if err != nil {
		return err
	}
	e := NewEvent(scope, TypeTest, []byte("{}"), s.now())
	return s.emitAll(ctx, []emission{{
		subject: e.ID, upTo: 1, keep: TryFor, scope: scope,
		deliveries: []planned{{id: e.ID, address: c.URL, event: TypeTest, subject: e.ID, data: string(e.Data)}},
	}})
}

// Backlog is how many deliveries are pending, for how long the first of them has
// been due, and how many configurations of the scopes are disabled.
func (s *Store) Backlog(ctx context.Context) (pending int64, oldest time.Duration, err error) {
	pipe := s.rdb.Pipeline()
	count, first := pipe.HGet(ctx, countsKey, "pending"), pipe.ZRangeWithScores(ctx, endpointsKey, 0, 0)
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it as it is
		return 0, 0, unavailable("read backlog", err)
	}
	pending, _ = count.Int64()
	if entries := first.Val(); len(entries) > 0 {
		oldest = max(0, s.now().Sub(time.UnixMilli(int64(entries[0].Score))))
	}
	return pending, oldest, nil
}

// trim removes the oldest deliveries of a scope beyond those that are listed, up to
// deliveriesRead of them; done is false when more are left. A pending one is only
// taken off the list.
func (s *Store) trim(ctx context.Context, scope string) (done bool, err error) {
	key := deliveriesKey(scope)
	n, err := s.rdb.ZCard(ctx, key).Result()
	if err != nil || n <= deliveriesKept {
		return true, err //nolint:wrapcheck // by the caller
	}
	surplus := min(n-deliveriesKept, deliveriesRead)
	ids, err := s.rdb.ZRange(ctx, key, 0, surplus-1).Result()
	if err != nil {
		return false, err //nolint:wrapcheck // by the caller
	}
	states := make([]*redis.StringCmd, len(ids))
	reading := s.rdb.Pipeline()
	for i, id := range ids {
		states[i] = reading.HGet(ctx, deliveryKey(id), "status")
	}
	_, _ = reading.Exec(ctx) // each command has its own error
	pipe := s.rdb.Pipeline()
	for i, id := range ids {
		state, err := states[i].Result()
		switch {
		case errors.Is(err, redis.Nil): // it has expired
		case err != nil:
			return false, err //nolint:wrapcheck // by the caller
		case state != string(Pending):
			pipe.Del(ctx, deliveryKey(id))
		}
	}
	pipe.ZRem(ctx, key, anys(ids)...)
	_, err = pipe.Exec(ctx)
	return surplus < deliveriesRead, err //nolint:wrapcheck // by the caller
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}
