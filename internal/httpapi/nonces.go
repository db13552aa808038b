package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/sinch/receipt"
)

// Nonces remembers the signatures that were used.
type Nonces interface {
	Seen(ctx context.Context, nonce string) (bool, error)
	Remember(ctx context.Context, nonce string) error
}

// RedisNonces remembers nonces for as long as their signatures are valid.
type RedisNonces struct {
	rdb      redis.UniversalClient
	ttl      time.Duration
	remember *redis.Script
}

// NewRedisNonces makes a memory for signatures that are valid for maxAge.
// embedded says that the Redis is the development mode's own.
func NewRedisNonces(rdb redis.UniversalClient, maxAge time.Duration, embedded bool) *RedisNonces {
	return &RedisNonces{rdb: rdb, ttl: maxAge + receipt.Ahead, remember: redisconn.NewScript(rememberNonce, "", embedded)}
}

// rememberNonce writes a nonce also when memory is full: receipts go on.
const rememberNonce = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"

// nonceBytes is how much of a nonce's hash names it: two of a day's nonces never
// share it.
const nonceBytes = 12

// key is a hash, because a nonce is of any length and form.
func (n *RedisNonces) key(nonce string) string {
	hash := sha256.Sum256([]byte(nonce))
	return ledger.DefaultPrefix + "nonce:" + base64.RawURLEncoding.EncodeToString(hash[:nonceBytes])
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
	if err := n.remember.Run(ctx, n.rdb, []string{n.key(nonce)}, n.ttl.Milliseconds()).Err(); err != nil {
		return fmt.Errorf("remember nonce: %w", err)
	}
	return nil
}
