package apikey

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

// The keys in Redis.
const (
	// DefaultKey is the hash that holds the keys: id -> record.
	DefaultKey = redisconn.KeyPrefix + "keys"
	// usedKey is the hash of the last uses: id -> Unix minutes.
	usedKey = DefaultKey + ":used"
	// changedChannel is the Pub/Sub channel for changes.
	changedChannel = DefaultKey + ":changed"
)

// Store stores keys in Redis.
type Store struct {
	rdb      redis.UniversalClient
	key      string
	now      func() time.Time
	announce Announce
}

// Announce is called before a change takes effect; an error prevents the change.
// before is nil for a new key; of a rotation, after is the key that replaces it.
// When another operator changes the keys at the same time, the change is repeated
// and announced again.
type Announce func(ctx context.Context, before, after *Info) error

// Settings are the part of a key that an operator sets.
type Settings struct {
	Tenant    string
	Test      bool
	Name      string // for the operator; at most 100 bytes
	Scopes    Scopes
	Rate      float64   // requests a second; 0: that of the service
	Daily     int64     // messages a UTC day; 0: no limit
	ExpiresAt time.Time // zero: never
}

// check validates the settings.
func (s Settings) check() error {
	const longest = 100
	strange := func(r rune) bool { return r < ' ' }
	switch {
	case !tenantPattern.MatchString(s.Tenant):
		return ErrTenant
	case s.Scopes == 0:
		return fmt.Errorf("%w: at least one scope is required", ErrSettings)
	case !(s.Rate >= 0 && s.Rate <= maxRate):
		return fmt.Errorf("%w: a rate is from 0 to %d requests a second", ErrSettings, maxRate)
	case s.Daily < 0:
		return fmt.Errorf("%w: a daily quota is 0 (none) or more messages", ErrSettings)
	case len(s.Name) > longest || strings.ContainsFunc(s.Name, strange):
		return fmt.Errorf("%w: a name has at most %d bytes and no control characters", ErrSettings, longest)
	default:
		return nil
	}
}

// maxRate is the highest rate of a key, in requests a second.
const maxRate = 1_000_000

// Info describes a stored key without its secret. A zero time: never.
type Info struct {
	Settings

	ID         string
	CreatedAt  time.Time
	LastUsedAt time.Time // to the minute
	RevokedAt  time.Time
}

// NewStore returns the Store on rdb.
func NewStore(rdb redis.UniversalClient) *Store {
	return &Store{
		rdb: rdb, key: DefaultKey, now: time.Now,
		announce: func(context.Context, *Info, *Info) error { return nil },
	}
}

// Announcing returns the store with announce called before each change.
func (s *Store) Announcing(announce Announce) *Store {
	announcing := *s
	announcing.announce = announce
	return &announcing
}

// time is the current time, truncated to the precision of records.
func (s *Store) time() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// Create creates and stores a key. The plain text is returned this once and
// cannot be read again.
func (s *Store) Create(ctx context.Context, settings Settings) (plaintext string, _ Info, _ error) {
	if err := settings.check(); err != nil {
		return "", Info{}, err
	}
	for {
		plaintext = generate(settings.Test)
		r := newRecord(digestOf(plaintext), settings, s.time())
		info := r.info(time.Time{})
		if err := s.announce(ctx, nil, &info); err != nil {
			return "", Info{}, err
		}
		stored, err := s.put(ctx, r)
		if err != nil {
			return "", Info{}, err
		}
		if stored {
			return plaintext, info, s.publish(ctx)
		}
		// Another key has this id.
	}
}

// put stores a key unless another one has its id. The client may repeat a command
// whose reply was lost, so an existing record may be this key's own.
func (s *Store) put(ctx context.Context, r record) (stored bool, err error) {
	value, err := r.encode()
	if err != nil {
		return false, err
	}
	created, err := s.rdb.HSetNX(ctx, s.key, r.field(), value).Result()
	if err != nil {
		return false, unavailable(err)
	}
	if created {
		return true, nil
	}
	there, err := s.rdb.HGet(ctx, s.key, r.field()).Result()
	if err != nil {
		return false, unavailable(err)
	}
	return there == value, nil
}

// publish makes all processes read the changed keys again.
func (s *Store) publish(ctx context.Context) error {
	if err := s.rdb.Publish(ctx, changedChannel, "").Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// List returns all stored keys, oldest first, including expired and revoked ones.
func (s *Store) List(ctx context.Context) ([]Info, error) {
	pipe := s.rdb.Pipeline()
	values, used := pipe.HGetAll(ctx, s.key), pipe.HGetAll(ctx, usedKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable(err)
	}
	list := make([]Info, 0, len(values.Val()))
	for field, value := range values.Val() {
		r, err := decode(field, value)
		if err != nil {
			return nil, err
		}
		info := r.info(minute(used.Val()[field]))
		info.ID = idPrefix + field
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b Info) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// minute parses Unix minutes; zero for an empty text.
func minute(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n*int64(time.Minute/time.Second), 0).UTC()
}

// Update changes the settings of a key, but neither tenant nor kind. It returns
// ErrUnknown for an unknown id and for a revoked key.
func (s *Store) Update(ctx context.Context, id string, change func(*Settings)) (Info, error) {
	var after record
	err := s.change(ctx, id, func(r *record) ([]record, error) {
		settings := r.settings()
		change(&settings)
		settings.Tenant, settings.Test = r.Tenant, r.Test
		*r = r.with(settings)
		after = *r
		return nil, settings.check()
	})
	return after.info(time.Time{}), err
}

// Rotate creates a key with the settings of another, which expires after the
// overlap if not before.
func (s *Store) Rotate(ctx context.Context, id string, overlap time.Duration) (plaintext string, info Info, err error) {
	err = s.change(ctx, id, func(r *record) ([]record, error) {
		plaintext = generate(r.Test)
		next := newRecord(digestOf(plaintext), r.settings(), s.time())
		next.Quota = r.quota()
		info = next.info(time.Time{})
		if end := s.time().Add(overlap); r.ExpiresAt.IsZero() || end.Before(r.ExpiresAt) {
			r.ExpiresAt = end
		}
		return []record{next}, nil
	})
	return plaintext, info, err
}

// Revoke ends the key with that id, or returns ErrUnknown. List still returns it.
func (s *Store) Revoke(ctx context.Context, id string) error {
	return s.change(ctx, id, func(r *record) ([]record, error) {
		r.RevokedAt = s.time()
		return nil, nil
	})
}

// change updates a key that was not revoked, stores further ones with it, and
// publishes the change.
func (s *Store) change(ctx context.Context, id string, change func(*record) (further []record, err error)) error {
	field := strings.TrimPrefix(id, idPrefix)
	swap := func(tx *redis.Tx) error {
		value, err := tx.HGet(ctx, s.key, field).Result()
		if errors.Is(err, redis.Nil) {
			return ErrUnknown
		}
		if err != nil {
			return unavailable(err)
		}
		r, err := decode(field, value)
		if err != nil {
			return err
		}
		if !r.RevokedAt.IsZero() {
			return ErrUnknown
		}
		before := r.info(time.Time{})
		after, err := change(&r)
		if err != nil {
			return err
		}
		after = append(after, r)
		shown := after[0].info(time.Time{})
		if err := s.announce(ctx, &before, &shown); err != nil {
			return fmt.Errorf("%w: %w", errAnnounced, err)
		}
		fields, err := encodeAll(after)
		if err != nil {
			return err
		}
		return s.write(ctx, tx, fields)
	}
	for {
		err := s.rdb.Watch(ctx, swap, s.key)
		switch {
		case errors.Is(err, redis.TxFailedErr): // another operator was faster
			continue
		case err == nil, errors.Is(err, ErrUnknown), errors.Is(err, ErrUnavailable), errors.Is(err, ErrSettings), errors.Is(err, ErrTenant),
			errors.Is(err, errAnnounced):
			return err //nolint:wrapcheck // one of this package
		default:
			return unavailable(err)
		}
	}
}

// Any reports whether any stored key is valid now.
func (s *Store) Any(ctx context.Context) (bool, error) {
	list, err := s.List(ctx)
	if err != nil {
		return false, err
	}
	now := s.now()
	return slices.ContainsFunc(list, func(i Info) bool {
		return i.RevokedAt.IsZero() && (i.ExpiresAt.IsZero() || now.Before(i.ExpiresAt))
	}), nil
}

// find returns the principal of the key with that digest, or ErrUnknown. Once a
// minute it records the use of the key.
func (s *Store) find(ctx context.Context, d digest) (Principal, error) {
	field := strings.TrimPrefix(d.id(), idPrefix)
	pipe := s.rdb.Pipeline()
	held, used := pipe.HGet(ctx, s.key, field), pipe.HGet(ctx, usedKey, field)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Principal{}, unavailable(err)
	}
	if errors.Is(held.Err(), redis.Nil) {
		return Principal{}, ErrUnknown
	}
	r, err := decode(field, held.Val())
	if err != nil {
		return Principal{}, err
	}
	var stored digest
	if n, err := hex.Decode(stored[:], []byte(r.Digest)); err != nil || n != len(stored) {
		return Principal{}, unavailable(fmt.Errorf("stored key %s has no digest", field))
	}
	if !stored.equal(d) || !r.RevokedAt.IsZero() {
		return Principal{}, ErrUnknown
	}
	if now := s.now().Truncate(time.Minute); minute(used.Val()).Before(now) {
		// A Redis that is full or read-only must not stop callers from reading.
		_ = s.rdb.HSet(ctx, usedKey, field, now.Unix()/int64(time.Minute/time.Second)).Err()
	}
	return r.principal(d.id()), nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// encodeAll returns the fields and values of records.
func encodeAll(records []record) ([]any, error) {
	fields := make([]any, 0, 2*len(records))
	for _, one := range records {
		encoded, err := one.encode()
		if err != nil {
			return nil, err
		}
		fields = append(fields, one.field(), encoded)
	}
	return fields, nil
}

// write stores fields and announces the change. The error is redis.TxFailedErr
// when the keys were changed since the transaction began.
func (s *Store) write(ctx context.Context, tx *redis.Tx, fields []any) error {
	_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSet(ctx, s.key, fields...)
		pipe.Publish(ctx, changedChannel, "")
		return nil
	})
	if err != nil && !errors.Is(err, redis.TxFailedErr) {
		return unavailable(err)
	}
	return err //nolint:wrapcheck // compared by change
}
