package ledger

import (
	"context"
	"crypto/rand"
	"errors"
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
