package ledger

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// HeartbeatTTL is the time for which a worker counts as alive after its heartbeat.
const HeartbeatTTL = 10 * time.Second

// Queue is one of the lists that the sweeper checks.
type Queue string

// The lists.
const (
	Waiting Queue = "waiting" // scheduled and queued messages, one list a lane: those without a task are enqueued
	Calls   Queue = "calls"   // sending: those of crashed workers become unknown
	Unknown Queue = "unknown" // to reconcile
	Content Queue = "content" // final messages whose content is dropped; empty without ContentTTL
)

// Due is a message of a list whose check is due.
type Due struct {
	ID   message.ID
	at   float64 // score on the list: Unix milliseconds, and the version of the record modulo 1,000 as their fraction
	list string  // the key of the list
}

// Due lists up to 2n messages of a list whose check is due, and Redis' time: the
// n that are due for longest, and the n that have become due last, which would
// otherwise wait behind all others. Waiting messages are listed in the order of walk.
func (l *Ledger) Due(ctx context.Context, q Queue, n int) ([]Due, time.Time, error) {
	now, err := l.Now(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	if q == Waiting {
		due, err := l.walk.next(ctx, l, now, 2*n)
		return due, now, err
	}
	first, last := "-inf", strconv.FormatInt(now.UnixMilli(), 10)
	ends := redis.ZRangeArgs{Key: l.key(string(q)), ByScore: true, Start: first, Stop: last, Count: int64(n)}
	pipe := l.rdb.Pipeline()
	oldest := pipe.ZRangeArgsWithScores(ctx, ends)
	ends.Start, ends.Stop, ends.Rev = last, first, true
	newest := pipe.ZRangeArgsWithScores(ctx, ends)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, time.Time{}, unavailable("list due messages", err)
	}
	return listed(l.key(string(q)), append(oldest.Val(), newest.Val()...)), now, nil
}

// listed reads entries of a list; each message is in the result once.
func listed(list string, entries []redis.Z) []Due {
	due, seen := make([]Due, 0, len(entries)), make(map[message.ID]bool, len(entries))
	for _, entry := range entries {
		packed, _ := entry.Member.(string)
		if id, err := message.UnpackID(packed); err == nil && !seen[id] {
			seen[id] = true
			due = append(due, Due{ID: id, at: entry.Score, list: list})
		}
	}
	return due
}

// Recheck is the time of the next check of a due message; zero: never, it is
// removed from the list. Only removal applies to waiting messages: see walk.
type Recheck struct {
	Due

	At time.Time
}

// CheckAgain sets the next checks of messages of a list. One that was changed
// meanwhile, and thereby placed again, stays where it is.
func (l *Ledger) CheckAgain(ctx context.Context, q Queue, rechecks []Recheck) error {
	rows := make(map[string][]any) // by list
	for _, r := range rechecks {
		next := ""
		if !r.At.IsZero() {
			next = strconv.FormatInt(r.At.UnixMilli(), 10)
		}
		if q == Waiting && next != "" {
			continue
		}
		rows[r.list] = append(rows[r.list], []any{
			recheckID: r.ID.Packed(), recheckListedAt: strconv.FormatFloat(r.at, 'f', -1, 64), recheckNext: next,
		}...)
	}
	for list, args := range rows {
		if err := l.recheck.Run(ctx, l.rdb, []string{recheckList: list}, args...).Err(); err != nil {
			return unavailable("set checks", err)
		}
	}
	return nil
}

// Now is Redis' time.
func (l *Ledger) Now(ctx context.Context) (time.Time, error) {
	now, err := l.rdb.Time(ctx).Result()
	if err != nil {
		return time.Time{}, unavailable("read time", err)
	}
	return now.UTC().Truncate(time.Millisecond), nil
}

// Heartbeat records that a worker is alive, and returns the epoch: the number of
// attempts that all workers have begun.
func (l *Ledger) Heartbeat(ctx context.Context, worker string) (int64, error) {
	pipe := l.rdb.Pipeline()
	pipe.Set(ctx, l.key("worker:"+worker), 1, HeartbeatTTL)
	epoch := pipe.HGet(ctx, l.key("begins"), "epoch")
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, unavailable("write heartbeat", err)
	}
	n, err := epoch.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, unavailable("write heartbeat", err)
	}
	return n, nil
}

// Alive reports whether a worker's last heartbeat is younger than HeartbeatTTL.
func (l *Ledger) Alive(ctx context.Context, worker string) (bool, error) {
	n, err := l.rdb.Exists(ctx, l.key("worker:"+worker)).Result()
	if err != nil {
		return false, unavailable("read heartbeat", err)
	}
	return n > 0, nil
}

// Deregister removes a worker's heartbeat when it stops with no attempt in flight.
func (l *Ledger) Deregister(ctx context.Context, worker string) error {
	pipe := l.rdb.Pipeline()
	pipe.Del(ctx, l.key("worker:"+worker))
	pipe.HDel(ctx, l.key("begins"), worker)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("deregister", err)
	}
	return nil
}
