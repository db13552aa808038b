package pause

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// RedisKey is the hash of all pauses by their names. The script that parks tasks
// reads it.
const RedisKey = redisconn.KeyPrefix + "pauses"

// Store keeps the pauses in Redis. It is safe for concurrent use.
type Store struct{ rdb redis.UniversalClient }

// NewStore returns the Store on rdb.
func NewStore(rdb redis.UniversalClient) *Store { return &Store{rdb: rdb} }

// Put sets a pause. One that exists is replaced, its reason included.
func (s *Store) Put(ctx context.Context, p Pause) error {
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode pause: %w", err)
	}
	if err := s.rdb.HSet(ctx, RedisKey, string(p.Key()), value).Err(); err != nil {
		return unavailable("pause", err)
	}
	return nil
}

// Remove ends pauses. One that does not exist is no error.
func (s *Store) Remove(ctx context.Context, keys ...Key) error {
	fields := make([]string, len(keys))
	for i, key := range keys {
		fields[i] = string(key)
	}
	if err := s.rdb.HDel(ctx, RedisKey, fields...).Err(); err != nil {
		return unavailable("resume", err)
	}
	return nil
}

// Read reads all pauses. One that another version wrote and this one cannot read
// is in force all the same.
func (s *Store) Read(ctx context.Context) (Set, error) {
	values, err := s.rdb.HGetAll(ctx, RedisKey).Result()
	if err != nil {
		return nil, unavailable("read pauses", err)
	}
	set := make(Set, len(values))
	for field, value := range values {
		p := Pause{Scope: Scope(field)}
		_ = json.Unmarshal([]byte(value), &p) // see above
		set[Key(field)] = p
	}
	return set, nil
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// viewFresh is for how long a View relies on what it read: no later is a pause in
// force.
const viewFresh = 500 * time.Millisecond

// View is the pauses as a process that makes calls sees them. It reads them when a
// message needs it and the last reading is old, so that an idle process reads
// nothing. It is safe for concurrent use.
type View struct {
	store   *Store
	current atomic.Pointer[reading]
	mu      sync.Mutex // held while reading
}

type reading struct {
	set   Set
	until time.Time
}

// NewView returns a View of the store.
func NewView(store *Store) *View { return &View{store: store} }

// Match returns the pause in force that covers a message. The error wraps
// ErrUnavailable: without a reading no call may begin.
func (v *View) Match(ctx context.Context, m *message.Message) (Key, bool, error) {
	set, err := v.read(ctx)
	if err != nil {
		return "", false, err
	}
	key, paused := set.Match(m)
	return key, paused, nil
}

// Forget has the next message read the pauses again.
func (v *View) Forget() { v.current.Store(nil) }

func (v *View) read(ctx context.Context) (Set, error) {
	if set, ok := v.cached(); ok {
		return set, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if set, ok := v.cached(); ok { // another message has read meanwhile
		return set, nil
	}
	until := time.Now().Add(viewFresh)
	set, err := v.store.Read(ctx)
	if err != nil {
		return nil, err
	}
	v.current.Store(&reading{set: set, until: until})
	return set, nil
}

func (v *View) cached() (Set, bool) {
	r := v.current.Load()
	if r == nil || !time.Now().Before(r.until) {
		return nil, false
	}
	return r.set, true
}
