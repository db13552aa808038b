package ledger

import (
	"context"
	"errors"
	"slices"
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

// Due is a message of a list whose check is due.
type Due struct {
	ID message.ID
	at float64 // Unix milliseconds, and in their fraction what placed it there
}

// Due lists up to limit messages of a list whose check is due, and Redis' time.
func (l *Ledger) Due(ctx context.Context, q Queue, limit int) ([]Due, time.Time, error) {
	now, err := l.Now(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	entries, err := l.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
		Key: l.key(string(q)), ByScore: true, Start: "-inf", Stop: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, time.Time{}, unavailable("list due messages", err)
	}
	due := make([]Due, 0, len(entries))
	for _, entry := range entries {
		packed, _ := entry.Member.(string)
		if id, err := message.UnpackID(packed); err == nil {
			due = append(due, Due{ID: id, at: entry.Score})
		}
	}
	return due, now, nil
}

// CheckAgain sets when the sweeper looks at a message of a list again; zero:
// never, it is taken off. A message that was changed meanwhile, and thereby
// placed anew, stays where it is.
func (l *Ledger) CheckAgain(ctx context.Context, q Queue, d Due, at time.Time) error {
	next := ""
	if !at.IsZero() {
		next = strconv.FormatInt(at.UnixMilli(), 10)
	}
	place := strconv.FormatFloat(d.at, 'f', -1, 64)
	if err := l.recheck.Run(ctx, l.rdb, []string{l.key(string(q))}, d.ID.Packed(), place, next).Err(); err != nil {
		return unavailable("put off check", err)
	}
	return nil
}

// unknownKept is how many messages of unknown outcome are looked through, of
// all scopes.
const unknownKept = 10_000

// Unknown lists the messages of a scope whose outcome nobody knows.
func (l *Ledger) Unknown(ctx context.Context, scope message.Scope) ([]*message.Message, error) {
	names, err := l.rdb.ZRevRange(ctx, l.key(string(Calls)), 0, unknownKept-1).Result()
	if err != nil {
		return nil, unavailable("list unknown messages", err)
	}
	var unknown []*message.Message
	for some := range slices.Chunk(unpacked(names), membersRead) {
		messages, err := l.GetMany(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			if m.Scope == scope && m.Status == message.StatusUnknown {
				unknown = append(unknown, m)
			}
		}
	}
	return unknown, nil
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
