// Package pause keeps what operators and tenants have paused: everything, a lane,
// a tenant, a sender or a batch. Messages of a paused scope stay queued and make
// no calls. What pauses by itself is in package throttle.
package pause

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

var (
	// ErrUnavailable is redisconn.ErrUnavailable of the pauses.
	ErrUnavailable = fmt.Errorf("pauses: %w", redisconn.ErrUnavailable)
	// ErrScope says that a lane, tenant, sender or batch cannot exist. It comes
	// with its cause.
	ErrScope = errors.New("nothing can be paused under this name")
)

// Scope is what a pause covers, as all, lane:bulk, tenant:acme,
// sender:+12065550100 or batch:bat_….
type Scope string

// All covers every message.
const All Scope = "all"

// The kinds of scopes that have a name.
const (
	laneKind   = "lane:"
	tenantKind = "tenant:"
	senderKind = "sender:"
	batchKind  = "batch:"
)

var (
	tenantPattern = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)
	senderPattern = regexp.MustCompile(`^\+?[0-9]{3,15}$`)
)

// Lane is the scope of a lane.
func Lane(name string) (Scope, error) {
	if !slices.Contains(message.Lanes(), message.Lane(name)) {
		return "", fmt.Errorf("%w: a lane is high, normal or bulk", ErrScope)
	}
	return Scope(laneKind + name), nil
}

// Tenant is the scope of a tenant, its test messages included.
func Tenant(name string) (Scope, error) {
	if !tenantPattern.MatchString(name) {
		return "", fmt.Errorf("%w: a tenant is 1 to 40 of a-z, 0-9, _ and -", ErrScope)
	}
	return Scope(tenantKind + name), nil
}

// Sender is the scope of a sender, which may be written with or without +.
func Sender(number string) (Scope, error) {
	if !senderPattern.MatchString(number) {
		return "", fmt.Errorf("%w: a sender is a phone number or a short code, in digits", ErrScope)
	}
	return senderScope(number), nil
}

// senderScope writes a number with + and a short code without.
func senderScope(number string) Scope {
	const shortCode = 8
	digits := strings.TrimPrefix(number, "+")
	if len(digits) > shortCode {
		digits = "+" + digits
	}
	return Scope(senderKind + digits)
}

// Batch is the scope of a batch.
func Batch(id string) (Scope, error) {
	if _, err := message.ParseBatchID(id); err != nil {
		return "", fmt.Errorf("%w: the id of a batch begins with bat_", ErrScope)
	}
	return OfBatch(message.BatchID(id)), nil
}

// OfBatch is Batch of an id that is well-formed.
func OfBatch(id message.BatchID) Scope { return Scope(batchKind + string(id)) }

// SenderNumber is the number of a sender's scope; ok is false for another scope.
func (s Scope) SenderNumber() (number string, ok bool) {
	return strings.CutPrefix(string(s), senderKind)
}

// batch is the batch of a batch's scope; ok is false for another scope.
func (s Scope) batch() (id message.BatchID, ok bool) {
	name, ok := strings.CutPrefix(string(s), batchKind)
	return message.BatchID(name), ok
}

// Pause is a pause of a scope.
type Pause struct {
	Scope  Scope     `json:"scope"`
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	Since  time.Time `json:"since"`
	// Own says that the tenant has paused its own batch: an operator's pause of
	// the batch stands beside it, and each is resumed by its own side.
	Own bool `json:"own,omitempty"`
}

// Key names the pause among all of them.
type Key string

// ownKey begins the keys of tenants' own pauses.
const ownKey = "own:"

// Key is the name of the pause.
func (p Pause) Key() Key {
	if p.Own {
		return Key(ownKey + string(p.Scope))
	}
	return Key(p.Scope)
}

// Set is all pauses in force.
type Set map[Key]Pause

// Match returns a pause that covers a message.
func (s Set) Match(m *message.Message) (Key, bool) {
	if len(s) == 0 {
		return "", false
	}
	keys := make([]Key, 0, 6) // the scopes that a message is in
	keys = append(keys, Key(All), Key(laneKind+string(m.Content.Priority)), Key(tenantKind+m.Scope.Tenant), Key(senderScope(m.From)))
	if m.BatchID != "" {
		keys = append(keys, Key(batchKind+string(m.BatchID)), Key(ownKey+batchKind+string(m.BatchID)))
	}
	return s.first(keys)
}

// Batch reports whether a batch itself is paused.
func (s Set) Batch(id message.BatchID) bool {
	_, paused := s.first([]Key{Key(batchKind + string(id)), Key(ownKey + batchKind + string(id))})
	return paused
}

// Halts reports whether a batch makes no calls: it, its tenant or everything is
// paused.
func (s Set) Halts(tenant string, id message.BatchID) bool {
	_, paused := s.first([]Key{Key(All), Key(tenantKind + tenant)})
	return paused || s.Batch(id)
}

// Batches are the batches that are paused, with the names of their pauses.
func (s Set) Batches() map[Key]message.BatchID {
	batches := make(map[Key]message.BatchID)
	for key, p := range s {
		if id, ok := p.Scope.batch(); ok {
			batches[key] = id
		}
	}
	return batches
}

func (s Set) first(keys []Key) (Key, bool) {
	for _, key := range keys {
		if _, paused := s[key]; paused {
			return key, true
		}
	}
	return "", false
}
