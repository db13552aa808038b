package asynqredis

import (
	"context"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// WithoutMemory lets an asynq inspector work on a Redis that forbids MEMORY USAGE:
// the hook returns zero for asynq's script for the memory of a queue, instead of the
// error that would hide every other figure of the queue.
func WithoutMemory(client redis.UniversalClient, instead int64) redis.UniversalClient {
	client.AddHook(memoryHook{instead: instead})
	return client
}

type memoryHook struct{ instead int64 }

var _ redis.Hook = memoryHook{}

// DialHook implements redis.Hook.
func (memoryHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements redis.Hook: asynq runs the script alone.
func (memoryHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return next(ctx, cmds) }
}

// ProcessHook implements redis.Hook.
func (h memoryHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		answer, script := cmd.(*redis.Cmd)
		if err == nil || !script || !isMemoryUsage(cmd.Args()) || !isForbiddenInScript(err) {
			return err
		}
		answer.SetErr(nil)
		answer.SetVal(h.instead)
		return nil
	}
}

// isMemoryUsage recognises the script that estimates the memory of a queue: evalsha or
// eval, the script, and seven keys, the last of which ends in :groups.
func isMemoryUsage(args []any) bool {
	const before, keys = 3, 7
	if len(args) < before+keys {
		return false
	}
	n, _ := args[2].(int)
	last, _ := args[before+keys-1].(string)
	return n == keys && strings.HasSuffix(last, "}:groups")
}

// isForbiddenInScript recognises the errors of a script with a command that the server
// does not have or the user has no right to.
func isForbiddenInScript(err error) bool {
	text := err.Error()
	return strings.Contains(text, "Unknown Redis command called from script") || strings.Contains(text, "ACL failure in script") ||
		strings.Contains(text, "can't run this command")
}
