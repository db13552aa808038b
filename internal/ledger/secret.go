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

// secret keys the identities that are derived from references. It lives in
// Redis, since all processes need the same one, and is made by the first.
type secret struct {
	rdb   redis.UniversalClient
	key   string
	known atomic.Pointer[message.Secret]
}

// get returns the secret, from memory when it was read before.
func (s *secret) get(ctx context.Context) (*message.Secret, error) {
	if known := s.known.Load(); known != nil {
		return known, nil
	}
	made := rand.Text()
	if err := s.rdb.SetNX(ctx, s.key, made, 0).Err(); err != nil {
		return nil, unavailable("make secret", err)
	}
	value, err := s.rdb.Get(ctx, s.key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, unavailable("read secret", err)
	}
	if err != nil {
		return nil, unavailable("read secret", err)
	}
	s.learn(value)
	return s.known.Load(), nil
}

// learn replaces a secret that Redis no longer holds.
func (s *secret) learn(value string) { s.known.Store(message.NewSecret(value)) }

// changes is how often one try may meet another secret, which there is only
// after Redis was emptied.
const changes = 3

// use tries something with the secret, and again with the one that Redis holds
// when try says by a *secretError that this is another.
func (s *secret) use(ctx context.Context, try func(*message.Secret) error) error {
	for range changes {
		known, err := s.get(ctx)
		if err != nil {
			return err
		}
		err = try(known)
		other, changed := errors.AsType[*secretError](err)
		if !changed {
			return err
		}
		s.learn(other.secret)
	}
	return fmt.Errorf("%w: secret keeps changing", ErrUnavailable)
}

// secretError says that the secret in Redis is another one.
type secretError struct{ secret string }

// Error implements error.
func (*secretError) Error() string { return "secret has changed" }

// compare is a *secretError when Redis holds another secret than the known one.
// Where it holds none, the known one is put back by whoever writes next.
func compare(known *message.Secret, held string) error {
	if held == "" || held == known.Value() {
		return nil
	}
	return &secretError{secret: held}
}
