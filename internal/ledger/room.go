package ledger

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// Demand is the room that messages of a scope need.
type Demand struct {
	Messages map[message.Lane]int64
	Bytes    int64 // estimate of their memory in Redis
}

// Add adds a message.
func (d *Demand) Add(c message.Content) {
	if d.Messages == nil {
		d.Messages = make(map[message.Lane]int64)
	}
	d.Messages[c.Priority]++
	d.Bytes += int64(openBytes + recordRoom + contentBytes(&c))
}

// Fits returns ErrFull or ErrTenantFull when there is no room for all of a demand.
// It reserves nothing: the script that accepts the messages decides again.
func (l *Ledger) Fits(ctx context.Context, scope message.Scope, d Demand) error {
	pipe := l.rdb.Pipeline()
	accepted := pipe.Get(ctx, l.key("accepted"))
	counts, owned := pipe.HGetAll(ctx, l.key("counts")), pipe.HGetAll(ctx, l.tenantKey(scope))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return unavailable("read counts", err)
	}
	for p, n := range d.Messages {
		where := lane(&message.Message{Scope: scope, Content: message.Content{Priority: p}})
		if !fits(n, l.opts.LaneLimit, counts.Val(), where) {
			return ErrFull
		}
		if !fits(n, l.opts.TenantLimit, owned.Val(), where) {
			return ErrTenantFull
		}
	}
	memory := l.memory.Load()
	switch {
	case memory.limit == 0:
		return nil
	case d.Bytes > memory.room(number(accepted.Val())):
		return ErrFull
	case memory.tenant > 0 && d.Bytes > memory.tenant-number(owned.Val()["total"]):
		return ErrTenantFull
	default:
		return nil
	}
}

// fits reports whether a lane with a limit has room for n more messages.
func fits(n int64, limit int, counts map[string]string, lane string) bool {
	waiting := number(counts[string(message.StatusQueued)+":"+lane]) + number(counts[string(message.StatusScheduled)+":"+lane])
	return limit <= 0 || waiting+n <= int64(limit)
}
