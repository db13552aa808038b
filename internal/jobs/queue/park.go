package queue

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/pause"
)

// The task of a paused message leaves its lane, so that the messages behind it do
// not wait for it, and is parked: its lane and name stand in a sorted set of the
// pause. The sweeper enqueues it again once the pause is over. A parked task that
// is lost is like any other: the sweeper enqueues the messages that have none.

//go:embed park.lua
var parkLua string

//go:embed unpark.lua
var unparkLua string

// parkedKey is the set of the pauses that have parked tasks.
const parkedKey = ledger.DefaultPrefix + "parked"

// parkedBy is the sorted set of the tasks that a pause has parked.
func parkedBy(key pause.Key) string { return parkedKey + ":" + string(key) }

// parking is a task to park.
type parking struct {
	key   pause.Key
	task  Task
	since time.Time
	paced bool // there is no pause: the pace of a batch parks it
}

// entry names a task and its lane in a sorted set.
func (t Task) entry() string { return t.Lane + " " + t.ID }

func parseEntry(entry string) Task {
	lane, id, _ := strings.Cut(entry, " ")
	return Task{ID: id, Lane: lane}
}

// Park parks a task for a pause. It reports false when the pause is over: then the
// task is not parked. since is its place in the order in which tasks come back.
// Concurrent calls share a round trip.
func (q *Queue) Park(ctx context.Context, key pause.Key, t Task, since time.Time) (parked bool, err error) {
	return q.parkings.Do(ctx, parking{key: key, task: t, since: since})
}

func (q *Queue) parkMany(ctx context.Context, some []parking) []batcher.Result[bool] {
	calls := q.parkCalls(ctx, some)
	for _, call := range calls {
		if !redis.HasErrorPrefix(call.Err(), "NOSCRIPT") {
			continue
		}
		if err := q.park.Load(ctx, q.rdb).Err(); err != nil {
			return batcher.Failed[bool](len(some), fmt.Errorf("load script for parking: %w", err))
		}
		calls = q.parkCalls(ctx, some) // parking twice does no harm
		break
	}
	answers := make([]batcher.Result[bool], len(some))
	for i, call := range calls {
		answers[i].Value, answers[i].Err = call.Bool()
	}
	return answers
}

func (q *Queue) parkCalls(ctx context.Context, some []parking) []*redis.Cmd {
	pipe := q.rdb.Pipeline()
	calls := make([]*redis.Cmd, len(some))
	for i, p := range some {
		calls[i] = q.park.EvalSha(ctx, pipe, []string{pause.RedisKey, parkedBy(p.key), parkedKey},
			string(p.key), p.task.entry(), p.since.UnixMilli(), paced(p.paced))
	}
	_, _ = pipe.Exec(ctx) // each call has its own error
	return calls
}

// Parked reports of each task whether it is parked.
func (q *Queue) Parked(ctx context.Context, tasks []Task) ([]bool, error) {
	parked := make([]bool, len(tasks))
	keys, err := q.parkingPauses(ctx)
	if err != nil || len(keys) == 0 || len(tasks) == 0 {
		return parked, err
	}
	entries := make([]string, len(tasks))
	for i, t := range tasks {
		entries[i] = t.entry()
	}
	pipe := q.rdb.Pipeline()
	scores := make([]*redis.FloatSliceCmd, len(keys))
	for i, key := range keys {
		scores[i] = pipe.ZMScore(ctx, parkedBy(key), entries...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look for parked tasks: %w", err)
	}
	for _, found := range scores {
		for i, score := range found.Val() {
			parked[i] = parked[i] || score > 0 // no message is older than 1970
		}
	}
	return parked, nil
}

// parkingPauses are the pauses that have parked tasks.
func (q *Queue) parkingPauses(ctx context.Context) ([]pause.Key, error) {
	names, err := q.rdb.SMembers(ctx, parkedKey).Result()
	if err != nil {
		return nil, fmt.Errorf("list parked tasks: %w", err)
	}
	keys := make([]pause.Key, len(names))
	for i, name := range names {
		keys[i] = pause.Key(name)
	}
	return keys, nil
}

// unparkChunk is how many tasks are enqueued again in one round trip.
const unparkChunk = 500

// Unpark enqueues the tasks of pauses that are over until ctx ends, the oldest
// first.
func (q *Queue) Unpark(ctx context.Context, paused pause.Set) error {
	keys, err := q.parkingPauses(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, still := paused[key]; still || isPaceKey(key) {
			continue
		}
		if err := q.unparkAll(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) unparkAll(ctx context.Context, key pause.Key) error {
	skipped := int64(0)
	for {
		entries, err := q.rdb.ZRange(ctx, parkedBy(key), skipped, skipped+unparkChunk-1).Result()
		if err != nil {
			return fmt.Errorf("read parked tasks: %w", err)
		}
		enqueued, err := q.unpark(ctx, key, entries)
		if err != nil || len(entries) < unparkChunk {
			return err
		}
		skipped += int64(len(entries) - enqueued)
	}
}

// unpark enqueues parked tasks and returns how many it did. One that exists may be
// the run that has parked it and is about to end: it stays parked until the next
// call, since nothing else would bring it back.
func (q *Queue) unpark(ctx context.Context, key pause.Key, entries []string) (enqueued int, err error) {
	tasks := make([]Task, len(entries))
	for i, entry := range entries {
		tasks[i] = parseEntry(entry)
	}
	args := []any{string(key)}
	for i, made := range q.enqueueMany(ctx, tasks) {
		if made.Err != nil {
			err = made.Err
		}
		if made.Value {
			args = append(args, entries[i])
		}
	}
	if err := q.unparked.Run(ctx, q.rdb, []string{parkedBy(key), parkedKey}, args...).Err(); err != nil {
		return 0, fmt.Errorf("take parked tasks: %w", err)
	}
	return len(args) - 1, err
}
