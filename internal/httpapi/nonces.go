package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/sinch/receipt"
)

// Nonces remembers the signatures that were used.
type Nonces interface {
	Seen(ctx context.Context, nonce string) (bool, error)
	Remember(ctx context.Context, nonce string) error
}

// RedisNonces remembers nonces for as long as their signatures are valid.
type RedisNonces struct {
	rdb redis.UniversalClient
	ttl time.Duration
}

// NewRedisNonces makes a memory for signatures that are valid for maxAge.
func NewRedisNonces(rdb redis.UniversalClient, maxAge time.Duration) *RedisNonces {
	return &RedisNonces{rdb: rdb, ttl: maxAge + receipt.Ahead}
}

// key is a hash, because a nonce is of any length and form.
func (n *RedisNonces) key(nonce string) string {
	hash := sha256.Sum256([]byte(nonce))
	return ledger.DefaultPrefix + "nonce:" + hex.EncodeToString(hash[:])
}

// Seen implements Nonces.
func (n *RedisNonces) Seen(ctx context.Context, nonce string) (bool, error) {
	found, err := n.rdb.Exists(ctx, n.key(nonce)).Result()
	if err != nil {
		return false, fmt.Errorf("look up nonce: %w", err)
	}
	return found > 0, nil
}

// Remember implements Nonces.
func (n *RedisNonces) Remember(ctx context.Context, nonce string) error {
	if err := n.rdb.Set(ctx, n.key(nonce), "", n.ttl).Err(); err != nil {
		return fmt.Errorf("remember nonce: %w", err)
	}
	return nil
}
