package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// secret is the key of the hashes that derive identities from references. It is
// stored in Redis, since all processes need the same one; the first one creates it.
type secret struct {
	rdb   redis.UniversalClient
	key   string
	cache atomic.Pointer[message.Secret]
}

// get returns the cached secret, or reads it and creates it when there is none.
func (s *secret) get(ctx context.Context) (*message.Secret, error) {
	if cached := s.cache.Load(); cached != nil {
		return cached, nil
	}
	if err := s.rdb.SetNX(ctx, s.key, rand.Text(), 0).Err(); err != nil {
		return nil, unavailable("create secret", err)
	}
	value, err := s.rdb.Get(ctx, s.key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, unavailable("read secret", err)
	}
	if err != nil {
		return nil, unavailable("read secret", err)
	}
	s.put(value)
	return s.cache.Load(), nil
}

// put replaces the cached secret.
func (s *secret) put(value string) { s.cache.Store(message.NewSecret(value)) }

// secretTries bounds the calls of one use. A secret changes only when Redis was
// emptied.
const secretTries = 3

// use calls fn with the secret. While fn returns a *secretError, it calls fn again
// with the secret that the error carries.
func (s *secret) use(ctx context.Context, fn func(*message.Secret) error) error {
	for range secretTries {
		current, err := s.get(ctx)
		if err != nil {
			return err
		}
		err = fn(current)
		other, changed := errors.AsType[*secretError](err)
		if !changed {
			return err
		}
		s.put(other.secret)
	}
	return fmt.Errorf("%w: secret keeps changing", ErrUnavailable)
}

// secretError carries the secret of Redis when it differs from the cached one.
type secretError struct{ secret string }

// Error implements error.
func (*secretError) Error() string { return "secret has changed" }

// compare returns a *secretError when the secret of Redis, current, differs from
// the cached one. Where Redis has none, the next write stores the cached one again.
func compare(cached *message.Secret, current string) error {
	if current == "" || current == cached.Value() {
		return nil
	}
	return &secretError{secret: current}
}
