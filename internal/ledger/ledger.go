// Package ledger keeps the record of every message in Redis: the one truth
// that all processes share. A change is decided by package message on a copy
// and written by compare-and-set, so that whoever comes second decides anew.
package ledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

//go:embed lua/*.lua
var scripts embed.FS

var (
	// ErrNotFound says that there is no such message, or none any more.
	ErrNotFound = errors.New("no such message")
	// ErrUnavailable is redisconn.ErrUnavailable of the ledger.
	ErrUnavailable = fmt.Errorf("ledger: %w", redisconn.ErrUnavailable)
	// ErrFull says that the lane holds as many messages as it may, or Redis as many
	// bytes.
	ErrFull = errors.New("no room for the message")
	// ErrTenantFull is ErrFull for one tenant, which has its share of a lane or of
	// the memory.
	ErrTenantFull = fmt.Errorf("%w in the tenant's share", ErrFull)
	// ErrReused says that the reference belongs to a message of other content.
	ErrReused = errors.New("reference belongs to another message")
	// ErrRollback says that Redis no longer knows what it had acknowledged to
	// this process: it must not begin a call before it has told what it knows.
	ErrRollback = errors.New("redis has been rolled back")
	// errNotReplicated says that a begin has not reached the replicas it must.
	errNotReplicated = errors.New("too few replicas have it")
	// ErrHeld says that there is a record of opt-outs of the recipient: it has
	// to be looked at before a call begins.
	ErrHeld = errors.New("recipient may have opted out")
	// errConflict says that somebody has changed the record since it was read.
	errConflict = errors.New("record was changed meanwhile")
	// errContended is the end of a compare-and-set loop that never won.
	errContended = errors.New("record is changed by too many at once")
)

// Options are the ledger's settings.
type Options struct {
	// RecordTTL is how long a sent or final message is kept after its last change.
	RecordTTL time.Duration
	// LaneLimit is how many messages may wait in a lane; zero: no limit.
	LaneLimit int
	// TenantLimit is how many messages of one tenant may wait in a lane; zero: no
	// limit.
	TenantLimit int
	// TenantMemory is the percentage of the memory for accepted messages that one
	// tenant may use; zero: no limit.
	TenantMemory int
	// Checks say when the sweeper looks at a message again.
	Checks Checks
	// MinReplicas is how many replicas must have a begin before its call may
	// leave; nil: none.
	MinReplicas func() int
	// Prefix begins every key and holds the hash tag; empty: DefaultPrefix.
	Prefix string
	// HoldKey names the record of opt-outs of a number. While it exists, messages
	// to the number are told apart when they are accepted, and no call begins
	// before somebody has looked. The key must have the hash tag of Prefix. nil:
	// nobody can opt out.
	HoldKey func(number string) string
	// Moved is called after each change of a message's state, with the states
	// before and after; from is empty for a message that was accepted. nil: not
	// called. It must be quick.
	Moved func(from, to message.Status)
	// Consumers are those that are switched on for a message; nil: none. It is called
	// with each message that is accepted or changed, and must be quick.
	Consumers func(m *message.Message) Consumers
	// Now is Redis' time, as far as the process knows it; nil: the system's. It dates
	// what is accepted, and decides nothing.
	Now func() time.Time
	// Embedded says that the Redis is the development mode's own, which knows
	// no flags of scripts (and whose memory never runs out).
	Embedded bool
}

// Checks are the times after which the sweeper checks a message again.
type Checks struct {
	Accepted time.Duration // after it was due: was its task made?
	Waiting  time.Duration // between two checks of a waiting message, at least
	Calling  time.Duration // after its call was begun: is its worker alive?
}

// DefaultPrefix begins every key unless Options say otherwise.
const DefaultPrefix = redisconn.KeyPrefix

// DefaultChecks heal an accepted message without a task after 5 s, and notice
// a dead worker as soon as its heartbeat key can have run out.
func DefaultChecks() Checks {
	return Checks{Accepted: 5 * time.Second, Waiting: 15 * time.Second, Calling: HeartbeatTTL + time.Second}
}

// Ledger is the record of every message.
type Ledger struct {
	rdb     redis.UniversalClient
	opts    Options
	accept  *redis.Script
	put     *redis.Script
	open    *redis.Script
	count   *redis.Script
	read    *redis.Script
	recheck *redis.Script
	handled *redis.Script
	secret  *secret
	shards  *shards
	walk    *walk
	memory  atomic.Pointer[memory] // as it was read last
	lists   chan struct{}          // holds an element for each list that is being read
	commits *batcher.Batcher[commit, string]
	reads   *batcher.Batcher[message.ID, Snapshot]
	swaps   *batcher.Batcher[swap, swapReply]
}

// New makes a ledger on a Redis client.
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
	if opts.Consumers == nil {
		opts.Consumers = func(*message.Message) Consumers { return "" }
	}
	l := &Ledger{rdb: rdb, opts: opts}
	l.memory.Store(&memory{})
	for name, script := range map[string]**redis.Script{
		"accept": &l.accept, "put": &l.put, "open": &l.open, "count": &l.count, "read": &l.read, "recheck": &l.recheck,
		"handled": &l.handled,
	} {
		var err error
		if *script, err = opts.script(name); err != nil {
			return nil, err
		}
	}
	l.secret = &secret{rdb: rdb, key: l.key("secret")}
	l.shards = &shards{rdb: rdb, key: l.key("shards")}
	l.walk, l.lists = newWalk(opts.Checks), make(chan struct{}, listsAtOnce)
	l.commits = batcher.New(l.commit)
	l.reads = batcher.New(l.readBatch)
	l.swaps = batcher.New(l.swap)
	return l, nil
}

// ask is one question of those that are asked together.
func ask[Q, A any](ctx context.Context, together *batcher.Batcher[Q, A], question Q) (A, error) {
	answer, err := together.Do(ctx, question)
	if errors.Is(err, batcher.ErrAbandoned) {
		err = unavailable("wait for Redis", err)
	}
	return answer, err
}

// script reads a script, whose first line can hold its flags, and puts the names
// of its positions before it.
func (o Options) script(name string) (*redis.Script, error) {
	source, err := scripts.ReadFile("lua/" + name + ".lua")
	if err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	return redisconn.NewScript(string(source), positionsOf(name).locals(), o.Embedded), nil
}

func (l *Ledger) key(name string) string { return l.opts.Prefix + name }

func (l *Ledger) recordKey(id message.ID) string { return l.opts.Prefix + id.Identity() }

// holdKey stands for no record, too: the scripts need a key.
func (l *Ledger) holdKey(m *message.Message) string {
	if l.opts.HoldKey == nil {
		return l.key("hold")
	}
	return l.opts.HoldKey(m.Content.To)
}

// unavailable marks a failure of Redis as such.
func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// unpacked are the ids of a list; what is none is left out.
func unpacked(packed []string) []message.ID {
	ids := make([]message.ID, 0, len(packed))
	for _, one := range packed {
		if id, err := message.UnpackID(one); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Counts tells how many messages are in each open state of each lane.
func (l *Ledger) Counts(ctx context.Context) (map[message.Status]map[message.Lane]int64, error) {
	values, err := l.rdb.HGetAll(ctx, l.key("counts")).Result()
	if err != nil {
		return nil, unavailable("read counts", err)
	}
	return parseCounts(values), nil
}
