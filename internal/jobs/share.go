package jobs

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/gather"
)

// shareRoundTrips lets scripts that are run on the client at the same time share
// a round trip. It is for clients with many callers that each run one script at a time,
// as asynq's server does: a command costs both sides two system calls, which is
// more than most scripts cost.
//
// A caller waits for the answer even when its context ends first, for as long
// as two pipelines may take. Commands that are no EVALSHA go as they are.
func shareRoundTrips(client redis.UniversalClient) {
	s := share{client: client}
	s.scripts = gather.New(s.exchange)
	client.AddHook(s)
}

type share struct {
	client  redis.UniversalClient
	scripts *gather.Group[redis.Cmder, struct{}]
}

var _ redis.Hook = share{}

// DialHook implements redis.Hook.
func (share) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (s share) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" {
			return next(ctx, cmd)
		}
		// Whoever left early would read the command while the reply is written into it.
		_, err := s.scripts.Ask(context.WithoutCancel(ctx), cmd)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (share) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// exchange sends some scripts in one pipeline. Each has its own answer; what
// befalls the connection befalls all of them.
func (s share) exchange(cmds []redis.Cmder) []gather.Answer[struct{}] {
	ctx := context.Background()
	pipe := s.client.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd) // only noted
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	answers := make([]gather.Answer[struct{}], len(cmds))
	for i, cmd := range cmds {
		answers[i].Err = cmd.Err()
	}
	return answers
}
