package ledger

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// HeartbeatTTL is how long a worker counts as alive after its last heartbeat.
const HeartbeatTTL = 10 * time.Second

// Queue is one of the two lists the sweeper works through.
type Queue string

// The lists.
const (
	Waiting Queue = "waiting" // scheduled and queued: is there a task?
	Calls   Queue = "calls"   // sending: does the worker live? unknown: can it be settled?
)

// Due lists up to limit messages of a list whose check is due, and Redis' time.
func (l *Ledger) Due(ctx context.Context, q Queue, limit int) ([]message.ID, time.Time, error) {
	now, err := l.Now(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	names, err := l.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: l.key(string(q)), ByScore: true, Start: "-inf", Stop: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, time.Time{}, unavailable("list due messages", err)
	}
	return unpacked(names), now, nil
}

// CheckAgain sets when the sweeper looks at a message of a list again. One
// that has left the list meanwhile stays out.
func (l *Ledger) CheckAgain(ctx context.Context, q Queue, id message.ID, at time.Time) error {
	err := l.rdb.ZAddXX(ctx, l.key(string(q)), redis.Z{Score: float64(at.UnixMilli()), Member: id.Packed()}).Err()
	if err != nil {
		return unavailable("put off check", err)
	}
	return nil
}

// Drop takes a message off a list, because its record is gone.
func (l *Ledger) Drop(ctx context.Context, q Queue, id message.ID) error {
	if err := l.rdb.ZRem(ctx, l.key(string(q)), id.Packed()).Err(); err != nil {
		return unavailable("drop check", err)
	}
	return nil
}

// Calling lists the messages whose calls are under way or unsettled.
func (l *Ledger) Calling(ctx context.Context) ([]message.ID, error) {
	names, err := l.rdb.ZRange(ctx, l.key(string(Calls)), 0, -1).Result()
	if err != nil {
		return nil, unavailable("list calls", err)
	}
	return unpacked(names), nil
}

// Now is Redis' time.
func (l *Ledger) Now(ctx context.Context) (time.Time, error) {
	now, err := l.rdb.Time(ctx).Result()
	if err != nil {
		return time.Time{}, unavailable("read time", err)
	}
	return now.UTC().Truncate(time.Millisecond), nil
}

// Beat says that a worker lives, and returns the epoch: how many calls all
// workers have begun.
func (l *Ledger) Beat(ctx context.Context, worker string) (int64, error) {
	pipe := l.rdb.Pipeline()
	pipe.Set(ctx, l.key("worker:"+worker), 1, HeartbeatTTL)
	epoch := pipe.HGet(ctx, l.key("begins"), "epoch")
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, unavailable("beat", err)
	}
	n, err := epoch.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, unavailable("beat", err)
	}
	return n, nil
}

// Lives reports whether a worker's heartbeat is fresh.
func (l *Ledger) Lives(ctx context.Context, worker string) (bool, error) {
	n, err := l.rdb.Exists(ctx, l.key("worker:"+worker)).Result()
	if err != nil {
		return false, unavailable("read heartbeat", err)
	}
	return n > 0, nil
}

// Leave takes back a worker's heartbeat, when it stops with nothing in flight.
func (l *Ledger) Leave(ctx context.Context, worker string) error {
	pipe := l.rdb.Pipeline()
	pipe.Del(ctx, l.key("worker:"+worker))
	pipe.HDel(ctx, l.key("begins"), worker)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("leave", err)
	}
	return nil
}
