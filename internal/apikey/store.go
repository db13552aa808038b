package apikey

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// DefaultKey is the Redis hash that holds the keys: id -> record.
const DefaultKey = "mms:{m}:keys"

// Store keeps keys in Redis.
type Store struct {
	rdb redis.UniversalClient
	key string
	now func() time.Time
}

// Info describes a stored key without its secret.
type Info struct {
	ID        string
	Tenant    string
	Test      bool
	CreatedAt time.Time
}

// record is what Redis holds of a key.
type record struct {
	Digest    string    `json:"sha256"`
	Tenant    string    `json:"tenant"`
	Test      bool      `json:"test"`
	CreatedAt time.Time `json:"createdAt"`
}

// NewStore returns the Store on rdb.
func NewStore(rdb redis.UniversalClient) *Store {
	return &Store{rdb: rdb, key: DefaultKey, now: time.Now}
}

// Create makes and stores a key. It is returned this once and cannot be read
// again.
func (s *Store) Create(ctx context.Context, tenant string, test bool) (plaintext string, _ Info, _ error) {
	if !tenantPattern.MatchString(tenant) {
		return "", Info{}, ErrTenant
	}
	for {
		plaintext = generate(test)
		info, stored, err := s.put(ctx, plaintext, tenant, test)
		if err != nil {
			return "", Info{}, err
		}
		if stored {
			return plaintext, info, nil
		}
		// The id is taken by another key.
	}
}

// put stores a key unless its id is taken. The client may repeat a command
// whose reply was lost, so what is found there may be this very key.
func (s *Store) put(ctx context.Context, plaintext, tenant string, test bool) (info Info, stored bool, err error) {
	d := digestOf(plaintext)
	info = Info{ID: d.id(), Tenant: tenant, Test: test, CreatedAt: s.now().UTC().Truncate(time.Millisecond)}
	value, err := json.Marshal(record{
		Digest: hex.EncodeToString(d[:]), Tenant: tenant, Test: test, CreatedAt: info.CreatedAt,
	})
	if err != nil {
		return Info{}, false, fmt.Errorf("encode API key: %w", err)
	}
	created, err := s.rdb.HSetNX(ctx, s.key, info.ID, value).Result()
	if err != nil {
		return Info{}, false, unavailable(err)
	}
	if created {
		return info, true, nil
	}
	there, err := s.rdb.HGet(ctx, s.key, info.ID).Result()
	if err != nil {
		return Info{}, false, unavailable(err)
	}
	return info, there == string(value), nil
}

// List returns all stored keys, oldest first.
func (s *Store) List(ctx context.Context) ([]Info, error) {
	values, err := s.rdb.HGetAll(ctx, s.key).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	list := make([]Info, 0, len(values))
	for id, value := range values {
		r, err := decode(id, value)
		if err != nil {
			return nil, err
		}
		list = append(list, Info{ID: id, Tenant: r.Tenant, Test: r.Test, CreatedAt: r.CreatedAt})
	}
	slices.SortFunc(list, func(a, b Info) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Revoke deletes the key with that id, or returns ErrUnknown. Running
// processes stop accepting it within RevokedAfter.
func (s *Store) Revoke(ctx context.Context, id string) error {
	n, err := s.rdb.HDel(ctx, s.key, id).Result()
	if err != nil {
		return unavailable(err)
	}
	if n == 0 {
		return ErrUnknown
	}
	return nil
}

// Any says whether any key is stored.
func (s *Store) Any(ctx context.Context) (bool, error) {
	n, err := s.rdb.HLen(ctx, s.key).Result()
	if err != nil {
		return false, unavailable(err)
	}
	return n > 0, nil
}

// find returns the principal of the key with that digest, or ErrUnknown.
func (s *Store) find(ctx context.Context, d digest) (Principal, error) {
	id := d.id()
	value, err := s.rdb.HGet(ctx, s.key, id).Result()
	if errors.Is(err, redis.Nil) {
		return Principal{}, ErrUnknown
	}
	if err != nil {
		return Principal{}, unavailable(err)
	}
	r, err := decode(id, value)
	if err != nil {
		return Principal{}, err
	}
	var stored digest
	if n, err := hex.Decode(stored[:], []byte(r.Digest)); err != nil || n != len(stored) {
		return Principal{}, unavailable(fmt.Errorf("stored key %s has no digest", id))
	}
	if !stored.equal(d) {
		return Principal{}, ErrUnknown
	}
	return Principal{Tenant: r.Tenant, Test: r.Test, KeyID: id}, nil
}

func decode(id, value string) (record, error) {
	var r record
	if err := json.Unmarshal([]byte(value), &r); err != nil {
		return record{}, unavailable(fmt.Errorf("read stored key %s: %w", id, err))
	}
	return r, nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
