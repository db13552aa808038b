package asynqredis

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Servers provides the Redis clients of the asynq servers of a process. Concurrent
// scripts share a round trip: a command costs both sides two system
// calls, which is more than most of asynq's scripts cost. Lists that are known to
// be empty are not read: Watch polls all of them at once.
type Servers struct {
	rdb     redis.UniversalClient
	lanes   []string
	scripts *scripts
	clock   func() time.Time // Redis'
	lists   *lists

	cancelations *cancelations

	wakeUp chan struct{} // has an element when Watch has to poll soon
	// asynq's servers run their scripts under contexts of their own, which never end:
	// the clients use the contexts of the worker's lifetime instead.
	open      context.Context //nolint:containedctx // see above; for scripts
	dequeuing context.Context //nolint:containedctx // see above; for dequeuing, ends with Release
	release   context.CancelFunc
}

// closingTime is the time after the worker's lifetime in which scripts still run:
// tasks are requeued then. Without a limit, asynq's other loops would continue with a
// Redis that does not answer, queue by queue, and delay the end of the process.
const closingTime = time.Second

// NewServers serves lanes and ends soon after life does. clock is Redis'. report is
// called with an error when dequeuing begins to fail, and with nil when it works again.
func NewServers(life context.Context, rdb redis.UniversalClient, clock func() time.Time, lanes []string, report func(error)) *Servers {
	open, shut := context.WithCancel(context.WithoutCancel(life))
	context.AfterFunc(life, func() { time.AfterFunc(closingTime, shut) })
	dequeuing, release := context.WithCancel(open)
	return &Servers{
		rdb: rdb, lanes: lanes, scripts: newScripts(rdb), clock: clock, lists: newLists(clock, report),
		cancelations: newCancelations(), wakeUp: make(chan struct{}, 1),
		open: open, dequeuing: dequeuing, release: release,
	}
}

// Release ends dequeuing: asynq servers that wait for a task get none. It is called
// before their Stop, which waits for them.
func (s *Servers) Release() { s.release() }

// server is the Redis client of one asynq server.
type server struct {
	redis.UniversalClient

	all    *Servers
	group  *Group
	listed bool // it is registered for the group in asynq's list of servers
}

// EvalSha implements redis.Scripter. The times in the arguments of asynq's scripts
// are converted from the system's clock to Redis', so that servers with different
// clocks agree on the time at which a task is due.
func (c *server) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if isRegistry(keys) {
		entry, mine := c.group.entry(c, keys, args)
		if !mine {
			return redis.NewCmdResult("OK", nil)
		}
		args = entry
	}
	c.all.onRedisClock(keys, args)
	one := func(to redis.Scripter) *redis.Cmd { return to.EvalSha(ctx, sha, keys, args...) }
	switch {
	case isDequeue(keys):
		return c.dequeue(ctx, keys[0], one)
	case isForward(keys):
		return c.forward(ctx, keys[0], keys[1], one)
	case isRetry(keys):
		defer c.all.pollSoon()
	}
	return c.all.run(one)
}

// onRedisClock converts the time in the arguments of a script, in Unix seconds and in
// place: asynq passes the same ones to EVAL when Redis does not have the script.
func (s *Servers) onRedisClock(keys []string, args []any) {
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
		args[at] = seconds + s.ahead()
	}
}

// ahead is Redis' clock minus the system's, in whole seconds as asynq's times.
func (s *Servers) ahead() int64 {
	return int64(math.Round(s.clock().Sub(time.Now().Round(0)).Seconds()))
}

// ZAddXX implements redis.Cmdable, by which asynq extends the leases of its tasks.
func (c *server) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if strings.HasSuffix(key, ":lease") {
		for i := range members {
			members[i].Score += float64(c.all.ahead())
		}
	}
	return c.UniversalClient.ZAddXX(ctx, key, members...)
}

// run waits for the reply even when the caller's context ends first, but not past
// closingTime: it arrives within the timeouts of two commands.
func (s *Servers) run(one script) *redis.Cmd { return s.scripts.run(s.open, one) }

// dequeue waits until one of the server's lists may have a task. If it is another
// list, the reply is nil, that of asynq's script for an empty queue.
func (c *server) dequeue(ctx context.Context, pending string, one script) *redis.Cmd {
	c.all.lists.await(c.all.dequeuing, c.group.pending)
	version, may := c.all.lists.mayHaveTask(pending)
	if !may || c.all.dequeuing.Err() != nil {
		return nothing(ctx)
	}
	cmd := c.all.run(one)
	switch err := cmd.Err(); {
	case err == nil:
		c.all.lists.found(pending, version, true)
	case errors.Is(err, redis.Nil):
		c.all.lists.found(pending, version, false)
	case !isNoScript(err):
		c.all.lists.scriptFailed(err)
		return nothing(ctx)
	}
	return cmd
}

// nothing is the reply of asynq's script for an empty queue.
func nothing(ctx context.Context) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(redis.Nil)
	return cmd
}

// forward returns 0, the reply of asynq's script when no task is due, without running
// the script if no task can be due.
func (c *server) forward(ctx context.Context, delayed, pending string, one script) *redis.Cmd {
	none := redis.NewCmd(ctx)
	none.SetVal(int64(0))
	version, may := c.all.lists.mayHaveTask(delayed)
	if !may {
		return none
	}
	cmd := c.all.run(one)
	if isNoScript(cmd.Err()) {
		return cmd
	}
	moved, err := cmd.Int64()
	if err != nil {
		c.all.lists.scriptFailed(err)
		return none
	}
	c.all.lists.found(delayed, version, moved > 0)
	if moved == 0 {
		c.all.pollSoon() // asynq compares whole seconds: for it the task is due within a second
	} else {
		c.all.lists.gained(pending, c.all.clock())
	}
	return cmd
}

// isNoScript reports that Redis does not have the script; asynq then sends it.
func isNoScript(err error) bool { return err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") }

const (
	pendingSuffix, scheduledSuffix, retrySuffix = ":pending", ":scheduled", ":retry"

	queuePrefix = "asynq:{"
)

func pendingKey(lane string) string   { return queuePrefix + lane + "}" + pendingSuffix }
func scheduledKey(lane string) string { return queuePrefix + lane + "}" + scheduledSuffix }
func retryKey(lane string) string     { return queuePrefix + lane + "}" + retrySuffix }

// isDequeue recognises the script that dequeues a task: pending, paused, active, lease.
func isDequeue(keys []string) bool {
	return len(keys) == 4 && strings.HasSuffix(keys[0], pendingSuffix) && strings.HasSuffix(keys[1], ":paused")
}

// isForward recognises the script that moves due tasks: a list by time, pending.
func isForward(keys []string) bool {
	return len(keys) == 2 && strings.HasSuffix(keys[1], pendingSuffix) &&
		(strings.HasSuffix(keys[0], scheduledSuffix) || strings.HasSuffix(keys[0], retrySuffix))
}

// isRetry recognises the script that schedules a retry: task, active, lease, retry and
// counters. Its third argument is the time.
func isRetry(keys []string) bool {
	return len(keys) == 8 && strings.HasSuffix(keys[2], ":lease") && strings.HasSuffix(keys[3], retrySuffix)
}

// isExpired recognises the script that lists the tasks with an expired lease.
func isExpired(keys []string) bool { return len(keys) == 1 && strings.HasSuffix(keys[0], ":lease") }
