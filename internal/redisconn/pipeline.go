package redisconn

import (
	"context"
	"net"
	"slices"

	"github.com/redis/go-redis/v9"
)

// pipelineErrorHook gives the commands of a pipeline that was never sent the
// error of the pipeline. When Redis refuses to set up the connection (a password
// that is no longer valid, a forbidden SELECT), go-redis reports the refusal for
// the pipeline only: the commands look as if Redis had answered with the zero
// value.
type pipelineErrorHook struct{}

var _ redis.Hook = pipelineErrorHook{}

func (pipelineErrorHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (pipelineErrorHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return next(ctx, cmd) }
}

func (pipelineErrorHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		// The error of a pipeline that was sent is that of one of its commands.
		if err == nil || slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return cmd.Err() != nil }) {
			return err
		}
		for _, cmd := range cmds {
			cmd.SetErr(err)
		}
		return err
	}
}
