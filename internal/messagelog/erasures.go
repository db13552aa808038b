package messagelog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// The erasures that are under way or wait for PostgreSQL: a hash of them by name, and
// their names by the time at which a worker takes them.
const (
	erasuresKey    = redisconn.KeyPrefix + "log:erasures"
	erasuresDueKey = erasuresKey + ":due"
)

const (
	// erasuresMax bounds the erasures that wait.
	erasuresMax = 100_000
	// erasuresAtOnce is the number of erasures of one step.
	erasuresAtOnce = 200
	// erasureAbandoned is the age at which the process of an erasure counts as dead: longer
	// than a request or a round of a writer takes.
	erasureAbandoned = 2 * time.Minute
	// erasureAgain is the pause before an erasure that has failed is tried again.
	erasureAgain = 2 * time.Second
	// eraseChunk is the number of messages that one transaction erases.
	eraseChunk = 500
	// keepErasureTimeout bounds the note that an erasure waits for PostgreSQL, which is
	// made also when the time of its request is over.
	keepErasureTimeout = 2 * time.Second
)

// errErasures says that too many erasures wait for PostgreSQL.
var errErasures = fmt.Errorf("%w: too many erasures wait for it", ErrUnavailable)

// Erasure is what a request erases: one message of a scope, or all messages to and
// from a number.
type Erasure struct {
	Scope  message.Scope
	ID     message.ID // empty: all of Number
	Number string     // E.164
	// Messages and Inbound are what was erased in Redis, by id.
	Messages []message.ID
	Inbound  []string
}

// currentRecords are the records of messages in Redis.
type currentRecords interface {
	ReadEach(ctx context.Context, ids []message.ID) ([]ledger.SnapshotResult, error)
}

// Erasures bring erasures to the log. Each is kept in Redis until the log has it, so
// that neither an end of the process nor an outage of PostgreSQL loses it.
type Erasures struct {
	rdb     redis.UniversalClient
	log     *Log
	ledger  currentRecords
	senders message.SenderTenants
	logger  zerolog.Logger
}

// ErasuresOptions are the dependencies of Erasures.
type ErasuresOptions struct {
	Redis  redis.UniversalClient
	Log    *Log
	Ledger *ledger.Ledger
	// Senders says which tenants see the messages to a sender.
	Senders message.SenderTenants
	Logger  zerolog.Logger
}

// NewErasures returns the erasures of a log.
func NewErasures(o ErasuresOptions) *Erasures {
	return &Erasures{rdb: o.Redis, log: o.Log, ledger: o.Ledger, senders: o.Senders, logger: o.Logger}
}

// keptErasure is an erasure as Redis has it.
type keptErasure struct {
	Tenant   string       `json:"tenant"`
	Test     bool         `json:"test,omitempty"`
	ID       message.ID   `json:"id,omitempty"`
	Number   string       `json:"number,omitempty"`
	At       time.Time    `json:"at"`
	Messages []message.ID `json:"messages,omitempty"`
	Inbound  []string     `json:"inbound,omitempty"`
}

func (k keptErasure) erasure() Erasure {
	return Erasure{
		Scope: message.Scope{Tenant: k.Tenant, Test: k.Test}, ID: k.ID, Number: k.Number, Messages: k.Messages, Inbound: k.Inbound,
	}
}

// PendingErasure is an erasure that has begun.
type PendingErasure struct {
	erasures *Erasures
	name     string
	at       time.Time
	erasure  Erasure
}

// Begin records an erasure before Redis is changed. Finish follows, or Drop when there
// is nothing to erase; without either a worker finishes it.
func (e *Erasures) Begin(ctx context.Context, erasure Erasure) (*PendingErasure, error) {
	n, err := e.rdb.HLen(ctx, erasuresKey).Result()
	if err != nil {
		return nil, redisFailed("begin erasure", err)
	}
	if n >= erasuresMax {
		return nil, errErasures
	}
	name := rand.Text()
	if erasure.ID != "" { // a repetition replaces it
		name = erasure.Scope.String() + " " + string(erasure.ID)
	}
	p := &PendingErasure{erasures: e, name: name, at: e.log.opts.Now(), erasure: erasure}
	if err := p.keep(ctx, p.at.Add(erasureAbandoned)); err != nil {
		return nil, err
	}
	return p, nil
}

// Drop ends an erasure that has erased nothing.
func (p *PendingErasure) Drop(ctx context.Context) error {
	pipe := p.erasures.rdb.TxPipeline()
	pipe.ZRem(ctx, erasuresDueKey, p.name)
	pipe.HDel(ctx, erasuresKey, p.name)
	if _, err := pipe.Exec(ctx); err != nil {
		return redisFailed("end erasure", err)
	}
	return nil
}

// Finish erases in the log what was erased in Redis, by the ids of the messages there,
// and what only the log has: found is the number of those messages. When PostgreSQL
// does not answer, the error is ErrUnavailable, and a worker erases it as soon as it
// does.
func (p *PendingErasure) Finish(ctx context.Context, messages []message.ID, inbound []string) (found int, err error) {
	p.erasure.Messages, p.erasure.Inbound = messages, inbound
	found, err = p.erasures.erase(ctx, p.erasure, p.at)
	if err == nil {
		return found, p.Drop(ctx)
	}
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepErasureTimeout)
	defer cancel()
	return found, errors.Join(err, p.keep(keeping, p.erasures.log.opts.Now()))
}

// keep writes the erasure to Redis. A worker takes it when it is due.
func (p *PendingErasure) keep(ctx context.Context, due time.Time) error {
	e := p.erasure
	value, err := json.Marshal(keptErasure{
		Tenant: e.Scope.Tenant, Test: e.Scope.Test, ID: e.ID, Number: e.Number, At: p.at,
		Messages: e.Messages, Inbound: e.Inbound,
	})
	if err != nil {
		return fmt.Errorf("erasure: %w", err)
	}
	pipe := p.erasures.rdb.TxPipeline()
	pipe.HSet(ctx, erasuresKey, p.name, p.erasures.seal(value, p.name))
	pipe.ZAdd(ctx, erasuresDueKey, redis.Z{Score: float64(due.UnixMilli()), Member: p.name})
	if _, err := pipe.Exec(ctx); err != nil {
		return redisFailed("keep erasure", err)
	}
	return nil
}

// sealedErasure begins an encrypted erasure. JSON does not begin with it.
const sealedErasure = "\x00"

func (e *Erasures) seal(value []byte, name string) string {
	if !e.log.opts.Keys.On() {
		return string(value)
	}
	return sealedErasure + string(e.log.opts.Keys.Seal(value, []byte(erasuresKey+" "+name)))
}

func (e *Erasures) open(value, name string) (k keptErasure, err error) {
	plain := []byte(value)
	if sealed, found := strings.CutPrefix(value, sealedErasure); found {
		if plain, err = e.log.opts.Keys.Open([]byte(sealed), []byte(erasuresKey+" "+name)); err != nil {
			return k, fmt.Errorf("decrypt: %w", err)
		}
	}
	if err := json.Unmarshal(plain, &k); err != nil {
		return k, fmt.Errorf("decode: %w", err)
	}
	return k, nil
}

// Drain makes some of the erasures that wait for PostgreSQL, and of those whose process
// has died.
func (e *Erasures) Drain(ctx context.Context) error {
	now := e.log.opts.Now()
	names, err := e.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: erasuresDueKey, ByScore: true, Start: "-inf", Stop: now.UnixMilli(), Count: erasuresAtOnce,
	}).Result()
	if err != nil {
		return redisFailed("list erasures", err)
	}
	if len(names) == 0 {
		return nil
	}
	values, err := e.rdb.HMGet(ctx, erasuresKey, names...).Result()
	if err != nil {
		return redisFailed("read erasures", err)
	}
	var failed []error
	for i := 0; i < len(names) && len(failed) < failuresMost; i++ {
		value, _ := values[i].(string) // empty: another worker has ended it
		if err := e.drainOne(ctx, names[i], value); err != nil {
			again := redis.Z{Score: float64(now.Add(erasureAgain).UnixMilli()), Member: names[i]}
			failed = append(failed, err, e.rdb.ZAddXX(ctx, erasuresDueKey, again).Err())
		}
	}
	return errors.Join(failed...)
}

// failuresMost is the number of errors that end a step of Drain.
const failuresMost = 6

func (e *Erasures) drainOne(ctx context.Context, name, value string) error {
	p := &PendingErasure{erasures: e, name: name}
	if value == "" {
		return p.Drop(ctx)
	}
	kept, err := e.open(value, name)
	if err != nil {
		return fmt.Errorf("erasure %s: %w", name, err)
	}
	if _, err := e.erase(ctx, kept.erasure(), kept.At); err != nil {
		return fmt.Errorf("erasure %s: %w", name, err)
	}
	if err := p.Drop(ctx); err != nil {
		return err
	}
	e.logger.Info().Str("erasure", name).Msg("erased in the long-term log, later than in Redis")
	return nil
}

// erase erases in the log, and returns how many messages it has found that only the log
// has. What has changed since the erasure began is left.
func (e *Erasures) erase(ctx context.Context, erasure Erasure, at time.Time) (found int, err error) {
	for chunk := range slices.Chunk(erasure.Messages, eraseChunk) {
		if _, err := e.eraseMessages(ctx, erasure.Scope, chunk); err != nil {
			return 0, err
		}
	}
	if erasure.ID != "" {
		return e.eraseMessages(ctx, erasure.Scope, []message.ID{erasure.ID})
	}
	found, err = e.eraseNumber(ctx, erasure, at)
	if err != nil || erasure.Scope.Test { // phones answer live messages
		return found, err
	}
	return found, e.log.EraseInbound(ctx, erasure.Number, erasure.Inbound, func(sender string) bool {
		return e.senders.Allows(erasure.Scope.Tenant, sender)
	})
}

// eraseMessages erases those of some messages that are erased in Redis, or that Redis
// no longer has; found is the number of the latter.
func (e *Erasures) eraseMessages(ctx context.Context, scope message.Scope, ids []message.ID) (found int, err error) {
	current, err := e.ledger.ReadEach(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("erase messages: %w", err)
	}
	var erased []Entry
	var there, gone []message.ID
	for i, id := range ids {
		one := current[i]
		switch m := one.Value.Message; {
		case errors.Is(one.Err, ledger.ErrNotFound):
			gone = append(gone, id)
		case one.Err != nil || m.Scope != scope || !isErased(m):
			// it stays
		default:
			erased, there = append(erased, Entry{Message: m, Version: one.Value.Version()}), append(there, m.ID)
		}
	}
	if err := e.log.writeErased(ctx, erased); err != nil {
		return 0, err
	}
	if _, err := e.log.eraseRows(ctx, scope, there); err != nil {
		return 0, err
	}
	return e.log.eraseRows(ctx, scope, gone)
}

// isErased reports whether a message was erased, and did not only lose its content.
func isErased(m *message.Message) bool {
	return !m.RedactedAt.IsZero() && m.Content.To == message.Masked(m.Content.To)
}

// eraseNumber erases the messages to a number that the log has, but for those that
// Redis has unerased or that changed later.
func (e *Erasures) eraseNumber(ctx context.Context, erasure Erasure, at time.Time) (found int, err error) {
	q := Query{To: erasure.Number, Limit: eraseChunk}
	for {
		logged, err := e.log.Messages(ctx, erasure.Scope, q)
		if err != nil || len(logged) == 0 {
			return found, err
		}
		ids := make([]message.ID, 0, len(logged))
		for _, m := range logged {
			if !m.UpdatedAt.After(at) {
				ids = append(ids, m.ID)
			}
		}
		n, err := e.eraseMessages(ctx, erasure.Scope, ids)
		found += n
		if err != nil || len(logged) < eraseChunk {
			return found, err
		}
		q.After = ledger.PositionOf(logged[len(logged)-1].ID)
	}
}

// redisFailed marks a failure of Redis as such.
func redisFailed(operation string, err error) error {
	return fmt.Errorf("%s: %w: %w", operation, redisconn.ErrUnavailable, err)
}
