package callback

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// changedChannel announces that a scope has events from now on, or none.
const changedChannel = redisconn.KeyPrefix + "callback:changed"

// The fields of scopesKey begin with the reason why the scope has events.
const (
	configured = "configured " // an enabled configuration: the time since when, in Unix ms
	subscribed = "subscribed " // a subscriber: the time since when and of the last one, in Unix ms
)

// SubscribedFor is how long the events of a scope are kept after its last
// subscriber.
const SubscribedFor = 24 * time.Hour

// interest is since when a scope has events, by reason; zero: it has none.
type interest struct{ configured, subscribed time.Time }

// Scopes are the scopes that have events, known to this process without asking
// Redis: it is read every refreshEvery and when a change is announced.
type Scopes struct {
	rdb   redis.UniversalClient
	known atomic.Pointer[map[message.Scope]interest]
}

const (
	refreshEvery   = 2 * time.Second
	refreshTimeout = 2 * time.Second
)

// NewScopes makes the view of a process. Until the first Refresh no scope has events.
func NewScopes(rdb redis.UniversalClient) *Scopes {
	s := &Scopes{rdb: rdb}
	s.known.Store(&map[message.Scope]interest{})
	return s
}

// Has reports whether the changes of a scope's messages are events.
func (s *Scopes) Has(scope message.Scope) bool {
	known := *s.known.Load()
	if len(known) == 0 {
		return false
	}
	_, found := known[scope]
	return found
}

// All are the scopes that have events.
func (s *Scopes) All() []message.Scope {
	known := *s.known.Load()
	all := make([]message.Scope, 0, len(known))
	for scope := range known {
		all = append(all, scope)
	}
	return all
}

func (s *Scopes) of(scope message.Scope) interest { return (*s.known.Load())[scope] }

// Run follows the changes until ctx ends.
func (s *Scopes) Run(ctx context.Context) {
	sub := s.rdb.Subscribe(ctx, changedChannel)
	defer func() { _ = sub.Close() }() // nothing is lost with it
	announced := sub.Channel()
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		_ = s.Refresh(ctx) // the next one comes soon
		select {
		case <-ctx.Done():
			return
		case <-announced:
		case <-ticker.C:
		}
	}
}

// Refresh reads the set from Redis.
func (s *Scopes) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	fields, err := s.rdb.HGetAll(ctx, scopesKey).Result()
	if err != nil {
		return unavailable("read scopes", err)
	}
	known := make(map[message.Scope]interest, len(fields))
	for name, value := range fields {
		reason, text, _ := strings.Cut(name, " ")
		scope, ok := parseScope(text)
		if !ok {
			continue
		}
		since, last, _ := strings.Cut(value, " ")
		i := known[scope]
		switch reason + " " {
		case configured:
			i.configured = instant(since)
		case subscribed:
			if time.Since(instant(last)) > SubscribedFor+time.Minute {
				continue
			}
			i.subscribed = instant(since)
		default:
		}
		known[scope] = i
	}
	s.known.Store(&known)
	return nil
}
