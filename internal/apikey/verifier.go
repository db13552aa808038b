package apikey

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// RevokedAfter is how long a revoked key may go on working: for so long a
	// process relies on having seen it.
	RevokedAfter = 5 * time.Second
	// unknownFor is how long a process relies on not having seen a key. It
	// takes the edge off a caller that repeats a wrong key.
	unknownFor = time.Second
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
		p := Principal{Tenant: b.Tenant, Test: isTest(b.Key), KeyID: d.id()}
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
	if r, found := v.memory.recall(d); found {
		return r.answer()
	}
	p, err := v.stored.find(ctx, d)
	if err == nil || errors.Is(err, ErrUnknown) {
		v.memory.keep(d, p, err == nil)
	}
	return p, err
}

// memory remembers answers for a short while, good and bad ones apart: made-up
// keys cannot push real ones out.
type memory struct {
	mu      sync.Mutex
	good    map[digest]remembered
	unknown map[digest]remembered
}

type remembered struct {
	principal Principal
	good      bool
	until     time.Time
}

func (r remembered) answer() (Principal, error) {
	if !r.good {
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

func (m *memory) keep(d digest, p Principal, good bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := remembered{principal: p, good: good, until: time.Now().Add(RevokedAfter)}
	if good {
		delete(m.unknown, d)
		m.good = add(m.good, d, r)
		return
	}
	r.until = time.Now().Add(unknownFor)
	delete(m.good, d)
	m.unknown = add(m.unknown, d, r)
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
