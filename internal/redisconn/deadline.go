package redisconn

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// budgetFactor times the longest timeout of one attempt is what a command may
// take altogether: with the defaults 1.5 s. Without it the attempts multiply:
// the handshake of a new connection is retried by itself, and a pipeline tries
// a second pool before it gives up.
const budgetFactor = 3

// deadlineHook bounds every command and pipeline whose context has no nearer
// deadline. go-redis bounds attempts only, not their sum.
type deadlineHook struct{ budget time.Duration }

var _ redis.Hook = deadlineHook{}

func budget(timeouts ...time.Duration) time.Duration {
	var longest time.Duration
	for _, timeout := range timeouts {
		longest = max(longest, timeout)
	}
	return budgetFactor * longest
}

func (deadlineHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return next(ctx, network, addr)
	}
}

func (h deadlineHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if blocks(cmd) {
			return next(ctx, cmd)
		}
		ctx, cancel := h.bound(ctx)
		defer cancel()
		return next(ctx, cmd)
	}
}

func (h deadlineHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if slices.ContainsFunc(cmds, blocks) {
			return next(ctx, cmds)
		}
		ctx, cancel := h.bound(ctx)
		defer cancel()
		return next(ctx, cmds)
	}
}

func (h deadlineHook) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= h.budget {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, h.budget)
}

// blocks says whether Redis itself may hold the answer back for longer than
// the budget; such a command names its own time.
func blocks(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "blpop", "brpop", "brpoplpush", "blmove", "blmpop", "bzpopmin", "bzpopmax", "bzmpop", "wait", "waitaof":
		return true
	case "xread", "xreadgroup":
		return slices.ContainsFunc(cmd.Args(), func(arg any) bool {
			name, ok := arg.(string)
			return ok && strings.EqualFold(name, "block")
		})
	default:
		return false
	}
}
