package apikey

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// ChangedAfter is how long a key may go on as it was before a change: for so long
	// a process relies on what it read, when it does not hear of the change at once.
	ChangedAfter = 5 * time.Second
	// unknownFor is how long a process relies on not having seen a key. It
	// takes the edge off a caller that repeats a wrong key.
	unknownFor = time.Second
	// subscribeAgain is how long Follow waits after an error.
	subscribeAgain = time.Second
	// maxRemembered bounds the memory that callers with made-up keys can take.
	maxRemembered = 4096
)

// Bootstrapped is a key from the configuration.
type Bootstrapped struct {
	Tenant string
	Key    string
}

// Verifier tells whom a key belongs to. It is safe for concurrent use.
type Verifier struct {
	bootstrapped map[string]known // by key id; never changes
	stored       finder           // nil: only bootstrapped keys
	memory       memory
}

// finder is where stored keys are looked up.
type finder interface {
	find(ctx context.Context, d digest) (Principal, error)
}

// known is what is remembered of a key.
type known struct {
	digest    digest
	principal Principal
}

// NewVerifier returns a Verifier of the bootstrapped keys and those in store,
// which may be nil. Errors name a key by its place in the list.
func NewVerifier(bootstrapped []Bootstrapped, store *Store) (*Verifier, error) {
	v := &Verifier{bootstrapped: make(map[string]known, len(bootstrapped))}
	if store != nil {
		v.stored = store
	}
	for i, b := range bootstrapped {
		if !tenantPattern.MatchString(b.Tenant) {
			return nil, fmt.Errorf("bootstrapped key %d: %w", i+1, ErrTenant)
		}
		if !wellFormed(b.Key) {
			return nil, fmt.Errorf("bootstrapped key %d: %w", i+1, ErrMalformed)
		}
		d := digestOf(b.Key)
		p := Principal{Tenant: b.Tenant, Test: isTest(b.Key), KeyID: d.id(), Scopes: AllScopes}
		if other, taken := v.bootstrapped[p.KeyID]; taken && (!other.digest.equal(d) || other.principal != p) {
			return nil, fmt.Errorf("bootstrapped key %d: another tenant has it too", i+1)
		}
		v.bootstrapped[p.KeyID] = known{digest: d, principal: p}
	}
	return v, nil
}

// Verify returns whom the key belongs to. The error is ErrUnknown, or wraps
// ErrUnavailable when Redis had to be asked and did not answer. It is not
// asked for bootstrapped keys, nor for what cannot be a key.
func (v *Verifier) Verify(ctx context.Context, key string) (Principal, error) {
	if !wellFormed(key) {
		return Principal{}, ErrUnknown
	}
	d := digestOf(key)
	if k, ok := v.bootstrapped[d.id()]; ok && k.digest.equal(d) {
		return k.principal, nil
	}
	if v.stored == nil {
		return Principal{}, ErrUnknown
	}
	r, found := v.memory.recall(d)
	if !found {
		changes := v.memory.changes.Load()
		p, err := v.stored.find(ctx, d)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return Principal{}, err
		}
		r = v.memory.keep(d, p, err == nil, changes)
	}
	return r.answer()
}

// Follow drops what is known of stored keys whenever one is changed, until ctx
// ends. Without it a change is in force after ChangedAfter.
func (v *Verifier) Follow(ctx context.Context, rdb redis.UniversalClient) {
	subscription := rdb.Subscribe(ctx, changedChannel)
	defer subscription.Close()
	defer context.AfterFunc(ctx, func() { _ = subscription.Close() })() // Receive does not end with ctx
	for ctx.Err() == nil {
		if _, err := subscription.Receive(ctx); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(subscribeAgain):
			}
		}
		v.memory.forget() // also when subscribed again: changes may have been missed
	}
}

// memory remembers answers for a short while, good and bad ones apart: made-up
// keys cannot push real ones out.
type memory struct {
	mu      sync.Mutex
	good    map[digest]remembered
	unknown map[digest]remembered
	changes atomic.Int64 // that were published: what was read before one is not kept
}

// forget drops all answers.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes.Add(1)
	m.good, m.unknown = nil, nil
}

type remembered struct {
	principal Principal
	good      bool
	until     time.Time
}

func (r remembered) answer() (Principal, error) {
	ended := !r.principal.ExpiresAt.IsZero() && !time.Now().Before(r.principal.ExpiresAt)
	if !r.good || ended {
		return Principal{}, ErrUnknown
	}
	return r.principal, nil
}

func (m *memory) recall(d digest) (r remembered, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, found = m.good[d]
	if !found {
		r, found = m.unknown[d]
	}
	return r, found && time.Now().Before(r.until)
}

// keep keeps an answer, unless a key was changed since it was asked for.
func (m *memory) keep(d digest, p Principal, good bool, changes int64) remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := remembered{principal: p, good: good, until: time.Now().Add(ChangedAfter)}
	switch {
	case m.changes.Load() != changes:
	case good:
		delete(m.unknown, d)
		m.good = add(m.good, d, r)
	default:
		r.until = time.Now().Add(unknownFor)
		delete(m.good, d)
		m.unknown = add(m.unknown, d, r)
	}
	return r
}

// add begins anew when the map is full: it costs a question to Redis for each
// key in use, and no bookkeeping.
func add(to map[digest]remembered, d digest, r remembered) map[digest]remembered {
	if to == nil || len(to) >= maxRemembered {
		to = make(map[digest]remembered)
	}
	to[d] = r
	return to
}
