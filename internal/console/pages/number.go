package pages

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"mmsdispatch/internal/redisconn"
)

// numberKeyName is the key of Redis that holds the secret of the hashes of numbers.
// A number stands in the address of a page only as its hash: browsers and proxies
// keep addresses.
const numberKeyName = redisconn.KeyPrefix + "console:number"

func (h *Handler) numberKey(ctx context.Context) ([]byte, error) {
	if err := h.Redis.SetNX(ctx, numberKeyName, rand.Text()+rand.Text(), 0).Err(); err != nil {
		return nil, fmt.Errorf("hash number: %w: %w", redisconn.ErrUnavailable, err)
	}
	key, err := h.Redis.Get(ctx, numberKeyName).Bytes()
	if err != nil {
		return nil, fmt.Errorf("hash number: %w: %w", redisconn.ErrUnavailable, err)
	}
	return key, nil
}

func hashNumber(key []byte, number string) string {
	const bytes = 16
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(number))
	return hex.EncodeToString(mac.Sum(nil)[:bytes])
}
