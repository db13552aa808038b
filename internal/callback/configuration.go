package callback

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

//go:embed lua/*.lua
var scripts embed.FS

// Configuration is where the events of a scope are delivered.
type Configuration struct {
	URL            string
	Events         []Type // EveryType: all
	Enabled        bool
	FailingSince   time.Time // of the first failure since the last success; zero: none
	DisabledAt     time.Time
	DisabledReason string // empty: disabled by the caller
	SecretSetAt    time.Time

	since   time.Time // events before it are not delivered
	secrets []string  // that sign, the newest first
}

// EveryType stands for all types of events.
const EveryType Type = "*"

// asksFor reports whether events of a type that happened at a time are delivered.
func (c Configuration) asksFor(t Type, at time.Time) bool {
	return c.Enabled && (slices.Contains(c.Events, t) || slices.Contains(c.Events, EveryType)) && !at.Before(c.since.Add(-sinceSlack))
}

// sinceSlack makes up for the clocks of the processes.
const sinceSlack = time.Second

// The fields of a configuration in Redis.
const (
	fieldURL            = "url"
	fieldEvents         = "events"
	fieldEnabled        = "enabled"
	fieldSince          = "since"
	fieldFailingSince   = "failingSince"
	fieldDisabledAt     = "disabledAt"
	fieldDisabledReason = "disabledReason"
	fieldSecret         = "secret"
	fieldSecretSetAt    = "secretSetAt"
	fieldPrevious       = "previous" // earlier secrets, each with the time until which it signs
)

// RotationOverlap is how long an earlier secret signs beside the new one.
const RotationOverlap = 24 * time.Hour

// Store keeps the configurations and the deliveries in Redis.
type Store struct {
	rdb     redis.UniversalClient
	nowFunc func() time.Time
	sealer  sealer

	claim, emit, finish, rotate, redeliver *redis.Script
}

// NewStore makes a store. now is Redis' time, as far as the process knows it.
func NewStore(rdb redis.UniversalClient, now func() time.Time, keys *encryption.Keys, embedded bool) (*Store, error) {
	s := &Store{rdb: rdb, nowFunc: now, sealer: sealer{keys: keys}}
	for name, to := range map[string]**redis.Script{
		"claim": &s.claim, "emit": &s.emit, "finish": &s.finish, "rotate": &s.rotate, "redeliver": &s.redeliver,
	} {
		source, err := scripts.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		text := string(source)
		if first, rest, _ := strings.Cut(text, "\n"); embedded && strings.HasPrefix(first, "#!") {
			text = rest // the Redis of the development mode knows no flags
		}
		*to = redis.NewScript(text)
	}
	return s, nil
}

// now is the time in the precision that is kept.
func (s *Store) now() time.Time { return s.nowFunc().UTC().Truncate(time.Millisecond) }

// newSecret makes a secret of Standard Webhooks.
func newSecret() string {
	const bytes = 24
	var key [bytes]byte
	_, _ = rand.Read(key[:]) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key[:])
}

// Get reads the configuration of a scope, or returns ErrNotFound.
func (s *Store) Get(ctx context.Context, scope message.Scope) (Configuration, error) {
	fields, err := s.rdb.HGetAll(ctx, configKey(scope.String())).Result()
	if err != nil {
		return Configuration{}, unavailable("read configuration", err)
	}
	c := readConfiguration(fields, s.now())
	if c.URL == "" {
		return Configuration{}, ErrNotFound
	}
	return c, nil
}

// Configurations reads the configurations of those of the scopes that have one.
func (s *Store) Configurations(ctx context.Context, scopes []message.Scope) (map[message.Scope]Configuration, error) {
	found := make(map[message.Scope]Configuration)
	for some := range slices.Chunk(scopes, deliveriesRead) {
		pipe := s.rdb.Pipeline()
		reads := make([]*redis.MapStringStringCmd, len(some))
		for i, scope := range some {
			reads[i] = pipe.HGetAll(ctx, configKey(scope.String()))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, unavailable("read configurations", err)
		}
		for i, scope := range some {
			if c := readConfiguration(reads[i].Val(), s.now()); c.URL != "" {
				found[scope] = c
			}
		}
	}
	return found, nil
}

// readConfiguration reads a configuration; one without a URL has only secrets.
func readConfiguration(fields map[string]string, now time.Time) Configuration {
	c := Configuration{
		URL: fields[fieldURL], Enabled: fields[fieldEnabled] == "1",
		FailingSince: instant(fields[fieldFailingSince]), DisabledAt: instant(fields[fieldDisabledAt]),
		DisabledReason: fields[fieldDisabledReason], SecretSetAt: instant(fields[fieldSecretSetAt]), since: instant(fields[fieldSince]),
	}
	for name := range strings.SplitSeq(fields[fieldEvents], ",") {
		if name != "" {
			c.Events = append(c.Events, Type(name))
		}
	}
	if secret := fields[fieldSecret]; secret != "" {
		c.secrets = append(c.secrets, secret)
	}
	for earlier := range strings.SplitSeq(fields[fieldPrevious], ",") {
		secret, until, found := strings.Cut(earlier, " ")
		if found && now.Before(instant(until)) {
			c.secrets = append(c.secrets, secret)
		}
	}
	return c
}

// Put sets the configuration of a scope. The secret is empty unless the scope had
// no configuration before.
func (s *Store) Put(ctx context.Context, scope message.Scope, c Configuration) (_ Configuration, secret string, err error) {
	before, err := s.Get(ctx, scope)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Configuration{}, "", err
	}
	first, now := err != nil, s.now()
	c.since = before.since
	if !before.Enabled {
		c.since = now
	}
	c.DisabledAt, c.DisabledReason = time.Time{}, ""
	if !c.Enabled {
		c.DisabledAt = now
		if !before.Enabled && !first {
			c.DisabledAt, c.DisabledReason = before.DisabledAt, before.DisabledReason
		}
	}
	if err := s.write(ctx, scope.String(), c); err != nil {
		return Configuration{}, "", err
	}
	after, err := s.Get(ctx, scope)
	if err == nil && first {
		secret = after.secrets[0]
	}
	return after, secret, err
}

// write writes a configuration with a secret where there is none, and tells all
// processes.
func (s *Store) write(ctx context.Context, scope string, c Configuration) error {
	names := make([]string, len(c.Events))
	for i, t := range c.Events {
		names[i] = string(t)
	}
	enabled, key, now := 0, configKey(scope), millis(s.now())
	pipe := s.rdb.TxPipeline()
	pipe.HSetNX(ctx, key, fieldSecret, newSecret())
	pipe.HSetNX(ctx, key, fieldSecretSetAt, now)
	pipe.HDel(ctx, key, fieldFailingSince, fieldDisabledAt, fieldDisabledReason)
	if c.Enabled {
		enabled = 1
		pipe.HSet(ctx, scopesKey, configured+scope, millis(c.since))
	} else {
		pipe.HSet(ctx, key, fieldDisabledAt, millis(c.DisabledAt), fieldDisabledReason, c.DisabledReason)
		pipe.HDel(ctx, scopesKey, configured+scope)
	}
	pipe.HSet(ctx, key, fieldURL, c.URL, fieldEvents, strings.Join(names, ","), fieldEnabled, enabled, fieldSince, millis(c.since))
	pipe.Publish(ctx, changedChannel, scope)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("write configuration", err)
	}
	return nil
}

// Delete ends the configuration of a scope. Its secret stays, since it signs the
// callbacks of messages that have a URL of their own.
func (s *Store) Delete(ctx context.Context, scope message.Scope) error {
	key := configKey(scope.String())
	pipe := s.rdb.TxPipeline()
	pipe.HDel(ctx, key, fieldURL, fieldEvents, fieldEnabled, fieldSince, fieldFailingSince, fieldDisabledAt, fieldDisabledReason)
	pipe.HDel(ctx, scopesKey, configured+scope.String())
	pipe.Publish(ctx, changedChannel, scope.String())
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("delete configuration", err)
	}
	return nil
}

// Rotate makes a new secret of a scope. The earlier one signs beside it for
// RotationOverlap.
func (s *Store) Rotate(ctx context.Context, scope message.Scope) (secret string, err error) {
	secret, now := newSecret(), s.now()
	err = s.rotate.Run(ctx, s.rdb, []string{configKey(scope.String())}, secret, millis(now), millis(now.Add(RotationOverlap))).Err()
	if err != nil {
		return "", unavailable("rotate secret", err)
	}
	return secret, nil
}

// withSecret is the configuration of a scope with at least one secret.
func (s *Store) withSecret(ctx context.Context, scope string) (Configuration, error) {
	pipe := s.rdb.TxPipeline()
	pipe.HSetNX(ctx, configKey(scope), fieldSecret, newSecret())
	pipe.HSetNX(ctx, configKey(scope), fieldSecretSetAt, millis(s.now()))
	all := pipe.HGetAll(ctx, configKey(scope))
	if _, err := pipe.Exec(ctx); err != nil {
		return Configuration{}, unavailable("make secret", err)
	}
	return readConfiguration(all.Val(), s.now()), nil
}
