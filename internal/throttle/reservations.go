package throttle

import (
	"cmp"
	"context"
	_ "embed" // the script
	"fmt"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

//go:embed lua/free.lua
var freeSource string

// Reservations are the tokens that messages of senders with a pace have reserved.
type Reservations struct {
	rdb     redis.UniversalClient
	keys    paceKeys
	senders *senders
	free    *redis.Script
}

// NewReservations returns the reservations of the pacers that have the same options.
func NewReservations(rdb redis.UniversalClient, opts PacerOptions) *Reservations {
	return &Reservations{
		rdb: rdb, keys: keysOf(cmp.Or(opts.Prefix, DefaultPrefix)), senders: newSenders(opts), free: redis.NewScript(freeSource),
	}
}

// Free gives the token that a canceled message has reserved to the message of its
// sender that comes next: otherwise a large batch that is canceled would delay its
// senders for as long as it would have taken.
func (r *Reservations) Free(ctx context.Context, canceled *message.Message) error {
	c := r.senders.claim(canceled)
	if r.senders.limits[c.sender].PerSecond == 0 {
		return nil
	}
	pace := r.keys.sender(c.sender)
	if err := r.free.Run(ctx, r.rdb, []string{reservedKey(pace), freedKey(pace)}, c.message).Err(); err != nil {
		return fmt.Errorf("free a reserved token: %w", err)
	}
	return nil
}
