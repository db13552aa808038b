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

// Nonces stores the signature nonces that were used.
type Nonces interface {
	Seen(ctx context.Context, nonce string) (bool, error)
	Put(ctx context.Context, nonce string) error
}

// RedisNonces stores each nonce as long as its signature is valid.
type RedisNonces struct {
	rdb redis.UniversalClient
	ttl time.Duration
	put *redis.Script
}

// NewRedisNonces returns the store for signatures valid for maxAge. embedded: the
// Redis is that of development mode.
func NewRedisNonces(rdb redis.UniversalClient, maxAge time.Duration, embedded bool) *RedisNonces {
	return &RedisNonces{rdb: rdb, ttl: maxAge + receipt.Ahead, put: redisconn.NewScript(putNonce, "", embedded)}
}

// putNonce writes a nonce also when Redis is full, since receipts are still
// accepted then.
const putNonce = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"

// nonceBytes is the length of the hash in a key: enough that two nonces of a day
// never collide.
const nonceBytes = 12

// key hashes the nonce, which may have any length and form.
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

// Put implements Nonces.
func (n *RedisNonces) Put(ctx context.Context, nonce string) error {
	if err := n.put.Run(ctx, n.rdb, []string{n.key(nonce)}, n.ttl.Milliseconds()).Err(); err != nil {
		return fmt.Errorf("store nonce: %w", err)
	}
	return nil
}
