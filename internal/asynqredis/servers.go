package asynqredis

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Servers is the Redis client under the asynq servers of a process. What they ask at the
// same time shares a round trip: a command costs both sides two system calls,
// which is more than most of asynq's scripts cost. And what they have just been
// told they do not ask again: they look for tasks lane by lane, most lanes are
// empty, and each server of a process asks anew.
type Servers struct {
	redis.UniversalClient
	scripts *scripts
	clock   func() time.Time // Redis'
	open    context.Context  //nolint:containedctx // outlives every script's own context
	fresh   Rhythm

	mu      sync.Mutex
	nothing map[string]time.Time // by the list that was asked: when it had nothing
}

// Rhythm is how often an asynq server looks for what to do.
type Rhythm struct {
	Pending time.Duration // asynq.Config's TaskCheckInterval
	Delayed time.Duration // and its DelayedTaskCheckInterval
}

// lastWords is how long scripts are still run after the worker's life: tasks are
// given back then. asynq's other loops would go on against a Redis that does not
// answer, lane by lane, and keep the process from ending.
const lastWords = time.Second

// NewServers returns the client of servers that look for tasks in a rhythm, and
// end soon after life does. clock is Redis'.
func NewServers(life context.Context, rdb redis.UniversalClient, clock func() time.Time, r Rhythm) *Servers {
	open, shut := context.WithCancel(context.WithoutCancel(life))
	context.AfterFunc(life, func() { time.AfterFunc(lastWords, shut) })
	// Nothing stays nothing for less time than that after which a single server
	// asks again, so that one finds what has come as soon as ever.
	fresh := Rhythm{Pending: r.Pending / 2, Delayed: r.Delayed / 2}
	return &Servers{UniversalClient: rdb, scripts: newScripts(rdb), clock: clock, open: open, fresh: fresh, nothing: make(map[string]time.Time)}
}

// EvalSha implements redis.Scripter. What it does not know it only runs. The times
// in the arguments of asynq's scripts are moved from the system's clock to Redis',
// so that servers whose clocks differ agree on when a task is due.
func (c *Servers) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	c.onRedisClock(keys, args)
	one := func(to redis.Scripter) *redis.Cmd { return to.EvalSha(ctx, sha, keys, args...) }
	switch {
	case isDequeue(keys):
		return c.dequeue(ctx, keys, one)
	case isForward(keys):
		return c.forward(ctx, keys, one)
	default:
		return c.run(one)
	}
}

// onRedisClock moves the time among the arguments of a script, in Unix seconds and
// in place: asynq passes the same ones to EVAL when Redis does not know the script.
func (c *Servers) onRedisClock(keys []string, args []any) {
	at := -1
	switch {
	case isDequeue(keys), isForward(keys), isExpired(keys):
		at = 0
	case isRetry(keys):
		at = 2
	}
	if at < 0 || at >= len(args) {
		return
	}
	if seconds, ok := args[at].(int64); ok {
		args[at] = seconds + c.ahead()
	}
}

// ahead is by how many seconds Redis' clock is ahead of the system's: asynq keeps
// whole ones.
func (c *Servers) ahead() int64 {
	return int64(math.Round(c.clock().Sub(time.Now().Round(0)).Seconds()))
}

// ZAddXX implements redis.Cmdable. asynq extends the leases of its tasks by it.
func (c *Servers) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if strings.HasSuffix(key, ":lease") {
		for i := range members {
			members[i].Score += float64(c.ahead())
		}
	}
	return c.UniversalClient.ZAddXX(ctx, key, members...)
}

// run waits for the answer even when the caller's context ends first, but not
// past the worker's last words: it comes within the time that Redis has for two
// commands.
func (c *Servers) run(one script) *redis.Cmd { return c.scripts.run(c.open, one) }

// dequeue answers as asynq's script does for an empty lane: with nil.
func (c *Servers) dequeue(ctx context.Context, keys []string, one script) *redis.Cmd {
	pending := keys[0]
	if c.knows(pending, c.fresh.Pending) {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(redis.Nil)
		return cmd
	}
	cmd := c.run(one)
	if cmd.Err() == redis.Nil { //nolint:errorlint // as it comes from the connection
		c.found(pending, time.Now())
	}
	return cmd
}

// forward answers as asynq's script does when no task is due: with the number 0.
func (c *Servers) forward(ctx context.Context, keys []string, one script) *redis.Cmd {
	delayed, pending := keys[0], keys[1]
	if c.knows(delayed, c.fresh.Delayed) {
		cmd := redis.NewCmd(ctx)
		cmd.SetVal(int64(0))
		return cmd
	}
	cmd := c.run(one)
	switch moved, err := cmd.Int64(); {
	case err != nil:
	case moved > 0:
		c.found(pending, time.Time{})
	default:
		c.found(delayed, time.Now())
	}
	return cmd
}

func (c *Servers) knows(list string, fresh time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.nothing[list]) < fresh
}

// found remembers when a list had nothing.
func (c *Servers) found(list string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nothing[list] = at
}

// isDequeue knows the script that takes a task: pending, paused, active, lease.
func isDequeue(keys []string) bool {
	return len(keys) == 4 && strings.HasSuffix(keys[0], ":pending") && strings.HasSuffix(keys[1], ":paused")
}

// isRetry knows the script that puts a task off: task, active, lease, retry and
// counters. Its third argument is when the task comes again.
func isRetry(keys []string) bool {
	return len(keys) == 8 && strings.HasSuffix(keys[2], ":lease") && strings.HasSuffix(keys[3], ":retry")
}

// isExpired knows the script that lists the tasks whose lease has run out.
func isExpired(keys []string) bool { return len(keys) == 1 && strings.HasSuffix(keys[0], ":lease") }

// isForward knows the script that moves what is due: a list by time, pending.
func isForward(keys []string) bool {
	return len(keys) == 2 && strings.HasSuffix(keys[1], ":pending") &&
		(strings.HasSuffix(keys[0], ":scheduled") || strings.HasSuffix(keys[0], ":retry"))
}
