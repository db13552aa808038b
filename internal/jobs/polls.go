package jobs

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// NewTaskClient makes a client for asynq's servers, of one that nobody else
// uses: what they ask at the same time shares a round trip, and what they have
// just been told they do not ask again.
func NewTaskClient(client redis.UniversalClient) redis.UniversalClient {
	client.AddHook(&polls{nothing: make(map[string]time.Time)})
	shareRoundTrips(client)
	return client
}

// polls is a hook for asynq's servers. They ask for tasks lane by lane, many of
// which are empty, and each server of a process asks anew: a question that found
// nothing a moment ago is not asked again. What it does not know it lets pass.
type polls struct {
	mu      sync.Mutex
	nothing map[string]time.Time // by the list that was asked: when it had nothing
}

var _ redis.Hook = (*polls)(nil)

// How long nothing stays nothing: shorter than the pauses after which a single
// server asks again, so that it finds what has come meanwhile as soon as ever.
const (
	pendingFresh = idlePickUp / 2
	delayedFresh = delayedPickUp / 2
)

// DialHook implements redis.Hook.
func (p *polls) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements redis.Hook.
func (p *polls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (p *polls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		script, ok := cmd.(*redis.Cmd)
		if !ok {
			return next(ctx, cmd)
		}
		keys := scriptKeys(script)
		switch {
		case isDequeue(keys):
			return p.dequeue(ctx, next, script, keys[0])
		case isForward(keys):
			return p.forward(ctx, next, script, keys)
		default:
			return next(ctx, cmd)
		}
	}
}

// dequeue answers as asynq's script does for an empty lane: with nil.
func (p *polls) dequeue(ctx context.Context, next redis.ProcessHook, cmd *redis.Cmd, pending string) error {
	if p.knows(pending, pendingFresh) {
		cmd.SetErr(redis.Nil)
		return redis.Nil
	}
	err := next(ctx, cmd)
	if err == redis.Nil { //nolint:errorlint // as it comes from the connection
		p.found(pending, time.Now())
	}
	return err
}

// forward answers as asynq's script does when no task is due: with the number 0.
func (p *polls) forward(ctx context.Context, next redis.ProcessHook, cmd *redis.Cmd, keys []string) error {
	delayed, pending := keys[0], keys[1]
	if p.knows(delayed, delayedFresh) {
		cmd.SetVal(int64(0))
		return nil
	}
	if err := next(ctx, cmd); err != nil {
		return err
	}
	if moved, _ := cmd.Int64(); moved > 0 {
		p.found(pending, time.Time{})
		return nil
	}
	p.found(delayed, time.Now())
	return nil
}

func (p *polls) knows(list string, fresh time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.nothing[list]) < fresh
}

// found remembers when a list had nothing.
func (p *polls) found(list string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nothing[list] = at
}

// scriptKeys are the keys of an EVALSHA.
func scriptKeys(cmd *redis.Cmd) []string {
	const before = 3 // EVALSHA, digest, number of keys
	args := cmd.Args()
	if cmd.Name() != "evalsha" || len(args) < before {
		return nil
	}
	n, ok := args[before-1].(int)
	if !ok || len(args) < before+n {
		return nil
	}
	keys := make([]string, 0, n)
	for _, arg := range args[before : before+n] {
		key, ok := arg.(string)
		if !ok {
			return nil
		}
		keys = append(keys, key)
	}
	return keys
}

// isDequeue knows the script that takes a task: pending, paused, active, lease.
func isDequeue(keys []string) bool {
	return len(keys) == 4 && strings.HasSuffix(keys[0], ":pending") && strings.HasSuffix(keys[1], ":paused")
}

// isForward knows the script that moves what is due: a list by time, pending.
func isForward(keys []string) bool {
	return len(keys) == 2 && strings.HasSuffix(keys[1], ":pending") &&
		(strings.HasSuffix(keys[0], ":scheduled") || strings.HasSuffix(keys[0], ":retry"))
}
