package ledger

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// ErrCanceled is returned when the batch was canceled: it accepts no more rows,
// and its messages begin no attempt.
var ErrCanceled = errors.New("batch is canceled")

// Batch is a set of messages that were submitted together.
type Batch struct {
	ID        message.BatchID
	Scope     message.Scope
	Reference string
	Digest    string // of the content of a JSON batch; empty for a stream
	Canceled  bool
	Pace      int64 // messages that go out in a million seconds; zero: any number
	Total     int64 // messages so far
	Valid     int64 // rows of the latest request that were valid; 0 before its end
	Rejected  int64 // rows of the latest request that were not; 0 before its end
	Counts    map[message.Status]int64
	CreatedAt time.Time
	BegunAt   time.Time // of its first call; zero: none yet
	// AnsweredAt is when the outcome of a call was last known.
	AnsweredAt time.Time
	// Quota is that of the key whose rows are accepted. It is not stored.
	Quota Quota
	// Calls are those that ended of late, oldest slot first.
	Calls []CallSlot
}

// CallSlot counts the calls of a batch that ended within callSlot of At, other
// than those that are to be made again.
type CallSlot struct {
	At    time.Time
	Calls int64
}

// callSlot is the length of a slot, of which lua/put.lua keeps callSlots.
const (
	callSlot  = 5 * time.Second
	callSlots = 13
	// rateWindow is the time over which a batch's rate is measured.
	rateWindow = time.Minute
)

// Rate is how many calls a second ended within the last minute, or since the
// first of them; 0 when there was none.
func (b Batch) Rate(now time.Time) float64 {
	if b.AnsweredAt.After(now) {
		now = b.AnsweredAt // of Redis' clock
	}
	var begin time.Time
	calls := int64(0)
	for _, slot := range b.Calls {
		if slot.At.Add(callSlot).Before(now.Add(-rateWindow)) {
			continue
		}
		if begin.IsZero() {
			begin = latest(slot.At, b.BegunAt, now.Add(-rateWindow))
		}
		calls += slot.Calls
	}
	if calls == 0 {
		return 0
	}
	return float64(calls) / max(now.Sub(begin), time.Second).Seconds()
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}

// callSlotsOf reads the counts of lua/put.lua.
func callSlotsOf(fields map[string]string) []CallSlot {
	var slots []CallSlot
	for i := range callSlots {
		number, calls, _ := strings.Cut(fields[batchRate+strconv.Itoa(i)], " ")
		slot, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			continue
		}
		n, _ := strconv.ParseInt(calls, 10, 64)
		slots = append(slots, CallSlot{At: instant(slot * callSlot.Milliseconds()), Calls: n})
	}
	slices.SortFunc(slots, func(a, b CallSlot) int { return a.At.Compare(b.At) })
	return slots
}

// BatchRequest is a batch to open.
type BatchRequest struct {
	Scope     message.Scope
	Reference string
	Digest    string // of the content, normalised; empty for a stream
	Pace      int64  // of a new batch; a known stream keeps its own
	Now       time.Time
}

// Row is one message of a batch to accept.
type Row struct {
	Content message.Content
	From    string
	Group   string // of rows that one multi-recipient send can carry; empty: none
	Index   int64  // 0-based; its identity when it has no reference and the batch has one
	Closed  bool   // as of Request
	Shared  bool   // other rows have the same text and media
	Held    message.Held
	Trace   message.Trace
}

// RowResult is the result of accepting a Row. Err is nil, ErrReused, ErrFull (also
// for a closed row whose message is not recorded) or ErrCanceled.
type RowResult struct {
	Accepted

	Err error
}

// The fields of a batch in Redis. Its messages are counted by state under
// batchCount + the state.
const (
	batchID        = "id"
	batchTenant    = "tenant"
	batchTest      = "test"
	batchReference = "ref"
	batchDigest    = "digest"
	batchPace      = "pace"
	batchCreated   = "created"
	batchBegun     = "begun"
	batchAnswered  = "answered"
	batchCanceled  = "canceled"
	batchTotal     = "total"
	batchValid     = "valid"
	batchRejected  = "rejected"
	batchCount     = "n:"
	batchRate      = "rate:"
)

// OpenBatch creates a batch, or finds the one that the scope has under the
// reference; known is true for one that was found. It returns ErrReused when the
// batch under the reference has other content.
func (l *Ledger) OpenBatch(ctx context.Context, r BatchRequest) (b Batch, known bool, err error) {
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		b, known, err = l.openBatch(ctx, secret, r)
		return err
	})
	if err != nil {
		return Batch{}, false, err
	}
	otherPace := r.Digest != "" && b.Pace != r.Pace // rows of a stream may come again in another request
	if known && (b.Scope != r.Scope || b.Reference != r.Reference || otherPace || !l.codec.isDigest(b.Digest, r.Digest)) {
		return Batch{}, false, ErrReused
	}
	return b, known, nil
}

func (l *Ledger) openBatch(ctx context.Context, secret *message.Secret, r BatchRequest) (b Batch, known bool, err error) {
	identity := message.RandomIdentity()
	if r.Reference != "" {
		identity = secret.Batch(r.Scope, r.Reference)
	}
	id := message.NewBatchID(identity, r.Now)
	keys := []string{openBatch: l.batchKey(id), openBatches: l.batchesKey(r.Scope), openSecret: l.key("secret")}
	args := []any{
		openID: string(id), openTenant: r.Scope.Tenant, openTest: flag(r.Scope.Test), openReference: r.Reference,
		openDigest: l.codec.digest(r.Digest), openCreated: r.Now.UnixMilli(), openEmptyTTL: l.opts.RecordTTL.Milliseconds(),
		openSecretValue: secret.Value(), openListed: batchesKept, openPace: r.Pace,
	}
	reply, err := l.open.Run(ctx, l.rdb, keys, args...).StringSlice()
	if err != nil {
		return Batch{}, false, unavailable("open batch", err)
	}
	if reply[0] == "secret" {
		return Batch{}, false, &secretError{secret: reply[1]}
	}
	b, err = parseBatch(pairs(reply[1:]))
	return b, reply[0] == "known", err
}

func pairs(flat []string) map[string]string {
	m := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		m[flat[i]] = flat[i+1]
	}
	return m
}

func parseBatch(fields map[string]string) (Batch, error) {
	id, err := message.ParseBatchID(fields[batchID])
	if err != nil {
		return Batch{}, errRecord
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64)
		return n
	}
	b := Batch{
		ID: id, Scope: message.Scope{Tenant: fields[batchTenant], Test: fields[batchTest] == "1"},
		Reference: fields[batchReference], Digest: fields[batchDigest],
		Pace: number(batchPace), Total: number(batchTotal), Valid: number(batchValid), Rejected: number(batchRejected),
		Counts: make(map[message.Status]int64), CreatedAt: instant(number(batchCreated)),
		BegunAt: instant(number(batchBegun)), AnsweredAt: instant(number(batchAnswered)),
		Calls: callSlotsOf(fields),
	}
	_, b.Canceled = fields[batchCanceled]
	for _, status := range message.Statuses() {
		if n := number(batchCount + string(status)); n > 0 {
			b.Counts[status] = n
		}
	}
	return b, nil
}

func (l *Ledger) batchesKey(scope message.Scope) string { return l.key("batches:" + scope.String()) }

// GetBatch reads a batch. It returns ErrNotFound for one of another scope.
func (l *Ledger) GetBatch(ctx context.Context, scope message.Scope, id message.BatchID) (Batch, error) {
	fields, err := l.rdb.HGetAll(ctx, l.batchKey(id)).Result()
	if err != nil {
		return Batch{}, unavailable("read batch", err)
	}
	return batchOf(scope, id, fields)
}

// BatchOf reads a batch of any scope, for operators.
func (l *Ledger) BatchOf(ctx context.Context, id message.BatchID) (Batch, error) {
	fields, err := l.rdb.HGetAll(ctx, l.batchKey(id)).Result()
	if err != nil {
		return Batch{}, unavailable("read batch", err)
	}
	if len(fields) == 0 {
		return Batch{}, ErrNotFound
	}
	b, err := parseBatch(fields)
	if err == nil && b.ID != id {
		return Batch{}, ErrNotFound
	}
	return b, err
}

// batchOf reads the fields of a batch. It returns ErrNotFound for one of another
// scope.
func batchOf(scope message.Scope, id message.BatchID, fields map[string]string) (Batch, error) {
	if len(fields) == 0 {
		return Batch{}, ErrNotFound
	}
	b, err := parseBatch(fields)
	if err != nil {
		return Batch{}, err
	}
	if b.Scope != scope || b.ID != id {
		return Batch{}, ErrNotFound
	}
	return b, nil
}

// FindBatch reads the batch that a scope has under ref. It returns ErrNotFound
// when there is none.
func (l *Ledger) FindBatch(ctx context.Context, scope message.Scope, ref string) (b Batch, err error) {
	if ref == "" {
		return Batch{}, ErrNotFound
	}
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		b, err = l.findBatch(ctx, secret, scope, ref)
		return err
	})
	return b, err
}

// findBatch reads the secret with the batch, as byReference does.
func (l *Ledger) findBatch(ctx context.Context, secret *message.Secret, scope message.Scope, ref string) (Batch, error) {
	pipe := l.rdb.Pipeline()
	fields := pipe.HGetAll(ctx, l.batchKey(message.NewBatchID(secret.Batch(scope, ref), time.Time{})))
	current := pipe.Get(ctx, l.key("secret"))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Batch{}, unavailable("read batch", err)
	}
	if err := compare(secret, current.Val()); err != nil {
		return Batch{}, err
	}
	b, err := parseBatch(fields.Val())
	if err != nil || b.Scope != scope || b.Reference != ref {
		return Batch{}, ErrNotFound
	}
	return b, nil
}

// BatchPosition is a place in the list of a scope's batches, newest first; the
// zero value is the beginning.
type BatchPosition struct {
	CreatedAt int64 // Unix milliseconds
	ID        message.BatchID
}

// Before reports whether b stands behind the position in the list.
func (p BatchPosition) Before(b Batch) bool { return p.before(b.CreatedAt.UnixMilli(), b.ID) }

func (p BatchPosition) before(created int64, id message.BatchID) bool {
	return p.ID == "" || created < p.CreatedAt || created == p.CreatedAt && id < p.ID
}
