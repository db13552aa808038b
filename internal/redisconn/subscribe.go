package redisconn

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silentFor is how long a subscription is silent before its connection is
	// tried, and then before it counts as lost.
	silentFor = 3 * time.Second
	// Pauses before a lost connection is replaced.
	subscribePause    = 100 * time.Millisecond
	subscribePauseMax = 2 * time.Second
)

// Subscribe calls handle with every message of some channels, one at a time, until
// ctx ends. It replaces a lost connection, after growing pauses while Redis refuses;
// messages that are published meanwhile are missed.
func Subscribe(ctx context.Context, rdb redis.UniversalClient, handle func(*redis.Message), channels ...string) {
	pause := subscribePause
	for ctx.Err() == nil {
		if receive(ctx, rdb, handle, channels) {
			pause = subscribePause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, subscribePauseMax)
		}
	}
}

// receive works until the connection is lost, and reports whether it had one.
func receive(ctx context.Context, rdb redis.UniversalClient, handle func(*redis.Message), channels []string) (connected bool) {
	sub := rdb.Subscribe(ctx, channels...)
	defer func() { _ = sub.Close() }()                         // nothing is lost with it
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // a receive does not end with ctx
	for pinged := false; ; {
		received, err := sub.ReceiveTimeout(ctx, silentFor)
		switch {
		case err == nil:
			connected, pinged = true, false
			if m, ok := received.(*redis.Message); ok {
				handle(m)
			}
		case pinged || !isTimeout(err) || sub.Ping(ctx) != nil:
			return connected
		default:
			pinged = true
		}
	}
}

func isTimeout(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}
