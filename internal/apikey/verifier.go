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
	// ChangedAfter bounds the time until a change is in force: a process caches what
	// it read for so long when it misses the announcement.
	ChangedAfter = 5 * time.Second
	// unknownFor is the time for which an unknown key is cached, against callers
	// that repeat a wrong key.
	unknownFor = time.Second
	// subscribeAgain is the pause of Follow after an error.
	subscribeAgain = time.Second
	// findTimeout bounds the query for one key.
	findTimeout = 1500 * time.Millisecond
	// cacheMax bounds the memory for made-up keys.
	cacheMax = 4096
)

// Bootstrapped is a key from the configuration.
type Bootstrapped struct {
	Tenant string
	Key    string
}

// Verifier authenticates API keys. It is safe for concurrent use.
type Verifier struct {
	bootstrapped map[string]known // by key id; never changes
	stored       finder           // nil: only bootstrapped keys
	cache        cache
}

// finder looks stored keys up.
type finder interface {
	find(ctx context.Context, d digest) (Principal, error)
}

// known is a bootstrapped key.
type known struct {
	digest    digest
	principal Principal
}

// NewVerifier returns a Verifier of the bootstrapped keys and those in store,
// which may be nil. Errors identify a key by its position in the list.
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

// Verify returns the principal of a key. The error is ErrUnknown, or wraps
// ErrUnavailable when a query to Redis failed. Bootstrapped keys and malformed
// ones need no query.
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
	r, found := v.cache.get(d)
	if !found {
		changes := v.cache.changes.Load()
		ctx, cancel := context.WithTimeout(ctx, findTimeout)
		defer cancel()
		p, err := v.stored.find(ctx, d)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return Principal{}, err
		}
		r = v.cache.put(d, p, err == nil, changes)
	}
	return r.answer()
}

// Follow empties the cache of stored keys whenever one is changed, until ctx
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
		v.cache.evict() // also after each subscription: changes may have been missed
	}
}

// cache holds results for a short time, valid and unknown keys apart: made-up
// keys cannot evict real ones.
type cache struct {
	mu      sync.Mutex
	good    map[digest]cached
	unknown map[digest]cached
	changes atomic.Int64 // number of announced changes: results read before one are not cached
}

// evict removes all results.
func (m *cache) evict() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes.Add(1)
	m.good, m.unknown = nil, nil
}

type cached struct {
	principal Principal
	good      bool
	until     time.Time
}

func (r cached) answer() (Principal, error) {
	ended := !r.principal.ExpiresAt.IsZero() && !time.Now().Before(r.principal.ExpiresAt)
	if !r.good || ended {
		return Principal{}, ErrUnknown
	}
	return r.principal, nil
}

func (m *cache) get(d digest) (r cached, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, found = m.good[d]
	if !found {
		r, found = m.unknown[d]
	}
	return r, found && time.Now().Before(r.until)
}

// put caches a result, unless a key was changed since it was read.
func (m *cache) put(d digest, p Principal, good bool, changes int64) cached {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := cached{principal: p, good: good, until: time.Now().Add(ChangedAfter)}
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

// add empties the map when it is full: the cost is one query to Redis for each
// key in use, and no bookkeeping.
func add(to map[digest]cached, d digest, r cached) map[digest]cached {
	if to == nil || len(to) >= cacheMax {
		to = make(map[digest]cached)
	}
	to[d] = r
	return to
}
