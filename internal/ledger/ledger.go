// Package ledger stores the record of every message in Redis: the only state that
// all processes share. Package message decides a change on a copy, and the ledger
// writes the copy by compare-and-set: of two concurrent writers the second one
// fails, reads the newer record and decides again.
package ledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

//go:embed lua/*.lua
var scripts embed.FS

var (
	// ErrNotFound is returned for a message that does not exist or has expired.
	ErrNotFound = errors.New("no such message")
	// ErrUnavailable is redisconn.ErrUnavailable of the ledger.
	ErrUnavailable = fmt.Errorf("ledger: %w", redisconn.ErrUnavailable)
	// ErrFull is returned when the limit of the lane or of Redis' memory is reached.
	ErrFull = errors.New("no room for the message")
	// ErrTenantFull is ErrFull for one tenant, which has its share of a lane or of
	// the memory.
	ErrTenantFull = fmt.Errorf("%w in the tenant's share", ErrFull)
	// ErrReused is returned for a reference that belongs to a message with other
	// content.
	ErrReused = errors.New("reference belongs to another message")
	// ErrRollback is returned when Redis no longer has begins that it acknowledged
	// to this worker: the worker must report its cached begins before the next one.
	ErrRollback = errors.New("redis has been rolled back")
	// errNotReplicated is returned when a begin has reached too few replicas.
	errNotReplicated = errors.New("too few replicas have it")
	// ErrSuppressed is returned when opt-outs of the recipient are recorded: the
	// caller must check them before an attempt begins.
	ErrSuppressed = errors.New("recipient may have opted out")
	// errConflict is returned when the record was changed since it was read.
	errConflict = errors.New("record was changed meanwhile")
	// errContended is returned when a compare-and-set has lost to other writers too
	// often.
	errContended = errors.New("record is changed by too many at once")
)

// Options are the ledger's settings.
type Options struct {
	// RecordTTL is the time for which a sent or final message is kept after its last
	// change.
	RecordTTL time.Duration
	// ContentTTL is the time for which the content of a final message is kept; zero:
	// as long as the message.
	ContentTTL time.Duration
	// LaneLimit is the number of messages that may wait in a lane; zero: no limit.
	LaneLimit int
	// TenantLimit is the number of messages of one tenant that may wait in a lane;
	// zero: no limit.
	TenantLimit int
	// TenantMemory is the percentage of the memory for accepted messages that one
	// tenant may use; zero: no limit.
	TenantMemory int
	// Checks are the intervals of the sweeper's checks.
	Checks Checks
	// MinReplicas is the number of replicas that must have a begin before its request
	// is written; nil: none.
	MinReplicas func() int
	// Keys encrypt what is private in a message; nil: nothing is encrypted.
	Keys *encryption.Keys
	// Prefix begins every key and contains the hash tag; empty: DefaultPrefix.
	Prefix string
	// OptOutKey names the record of opt-outs of a number. While that record exists,
	// messages to the number are accepted as Suppressed, and Begin returns
	// ErrSuppressed unless the snapshot is Cleared. The key must have the hash tag of
	// Prefix. nil: there are no opt-outs.
	OptOutKey func(number string) string
	// Moved is called after each change of a message's state, with the states
	// before and after; from is empty for a message that was accepted. nil: not
	// called. It must not block.
	Moved func(from, to message.Status)
	// Changed is called as Moved, with the message after the change and the time since
	// it could have been sent. nil: not called. It must not block or change the message.
	Changed func(from message.Status, m *message.Message, since time.Duration)
	// Canceled is called after a message was canceled. nil: not called.
	Canceled func(ctx context.Context, m *message.Message)
	// Consumers returns the consumers that are enabled for a message; nil: none. It is
	// called with each message that is accepted or changed, and must not block.
	Consumers func(m *message.Message) Consumers
	// Now estimates Redis' time; nil: the system's. It only dates the messages that
	// are accepted: decisions use the time that Redis returns.
	Now func() time.Time
	// Embedded is true for the Redis of the development mode, which does not support
	// flags of scripts and has no memory limit.
	Embedded bool
}

// Checks are the times after which the sweeper checks a message again.
type Checks struct {
	Accepted time.Duration // from the time at which it is due to the check for its task
	Waiting  time.Duration // between two checks of a waiting message, at least
	Calling  time.Duration // from the begin of its attempt to the check of the worker's heartbeat
}

// DefaultPrefix begins every key unless Options say otherwise.
const DefaultPrefix = redisconn.KeyPrefix

// DefaultChecks recover an accepted message without a task after 5 s, and the
// message of a crashed worker as soon as its heartbeat key can have expired.
func DefaultChecks() Checks {
	return Checks{Accepted: 5 * time.Second, Waiting: 15 * time.Second, Calling: HeartbeatTTL + time.Second}
}

// Ledger is the record of every message.
type Ledger struct {
	rdb     redis.UniversalClient
	opts    Options
	codec   codec
	accept  *redis.Script
	put     *redis.Script
	open    *redis.Script
	count   *redis.Script
	read    *redis.Script
	recheck *redis.Script
	reserve *redis.Script
	handled *redis.Script
	secret  *secret
	shards  *shards
	walk    *walk
	memory  atomic.Pointer[memory] // the latest reading
	commits *batcher.Batcher[commit, string]
	reads   *batcher.Batcher[message.ID, Snapshot]
	swaps   *batcher.Batcher[swap, swapReply]
}

// New creates a ledger on a Redis client.
func New(rdb redis.UniversalClient, opts Options) (*Ledger, error) {
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	if opts.Checks == (Checks{}) {
		opts.Checks = DefaultChecks()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MinReplicas == nil {
		opts.MinReplicas = func() int { return 0 }
	}
	if opts.Moved == nil {
		opts.Moved = func(message.Status, message.Status) {}
	}
	if opts.Changed == nil {
		opts.Changed = func(message.Status, *message.Message, time.Duration) {}
	}
	if opts.Consumers == nil {
		opts.Consumers = func(*message.Message) Consumers { return "" }
	}
	l := &Ledger{rdb: rdb, opts: opts, codec: codec{opts.Keys}}
	l.memory.Store(&memory{})
	for name, script := range map[string]**redis.Script{
		"accept": &l.accept, "put": &l.put, "open": &l.open, "count": &l.count, "read": &l.read,
		"recheck": &l.recheck, "reserve": &l.reserve, "handled": &l.handled,
	} {
		var err error
		if *script, err = opts.script(name); err != nil {
			return nil, err
		}
	}
	l.secret = &secret{rdb: rdb, key: l.key("secret")}
	l.shards = &shards{rdb: rdb, key: l.key("shards")}
	l.walk = newWalk(opts.Checks)
	l.commits = batcher.New(l.commit)
	l.reads = batcher.New(l.readBatch)
	l.swaps = batcher.New(l.swap)
	return l, nil
}

// do submits one request to a batcher and waits for its result.
func do[Q, A any](ctx context.Context, b *batcher.Batcher[Q, A], request Q) (A, error) {
	result, err := b.Do(ctx, request)
	if errors.Is(err, batcher.ErrAbandoned) {
		err = unavailable("wait for Redis", err)
	}
	return result, err
}

// script reads a script, whose first line can be its flags, and prepends the names
// of its positions.
func (o Options) script(name string) (*redis.Script, error) {
	source, err := scripts.ReadFile("lua/" + name + ".lua")
	if err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	p := positionsOf(name)
	locals := p.locals()
	if name == "accept" || name == "reserve" {
		locals += quotaLua
	}
	if slices.Contains(p.keys, "USAGES") {
		locals += usageLua
	}
	return redisconn.NewScript(string(source), locals, o.Embedded), nil
}

func (l *Ledger) key(name string) string { return l.opts.Prefix + name }

func (l *Ledger) recordKey(id message.ID) string { return l.opts.Prefix + id.Identity() }

// optOutKey returns a key also without opt-outs: the scripts need one.
func (l *Ledger) optOutKey(m *message.Message) string {
	if l.opts.OptOutKey == nil {
		return l.key("hold")
	}
	return l.opts.OptOutKey(m.Content.To)
}

// unavailable wraps an error of Redis as ErrUnavailable.
func unavailable(operation string, err error) error {
	return fmt.Errorf("%s: %w: %w", operation, ErrUnavailable, err)
}

// unpacked are the ids of a list; invalid elements are skipped.
func unpacked(packed []string) []message.ID {
	ids := make([]message.ID, 0, len(packed))
	for _, one := range packed {
		if id, err := message.UnpackID(one); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Counts returns the number of messages in each open state of each lane.
func (l *Ledger) Counts(ctx context.Context) (map[message.Status]map[message.Lane]int64, error) {
	values, err := l.rdb.HGetAll(ctx, l.key("counts")).Result()
	if err != nil {
		return nil, unavailable("read counts", err)
	}
	return parseCounts(values), nil
}
