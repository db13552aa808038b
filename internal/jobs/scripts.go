package jobs

import (
	"context"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/gather"
)

// script runs one of asynq's scripts.
type script func(redis.Scripter) *redis.Cmd

// scripts runs asynq's scripts; those of one moment share a round trip.
type scripts struct {
	rdb      redis.UniversalClient
	together *gather.Group[script, *redis.Cmd]
}

func newScripts(rdb redis.UniversalClient) *scripts {
	s := &scripts{rdb: rdb}
	s.together = gather.New(s.exchange)
	return s
}

func (s *scripts) run(ctx context.Context, one script) *redis.Cmd {
	cmd, err := s.together.Ask(ctx, one)
	if cmd == nil {
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(err)
	}
	return cmd
}

// exchange runs some scripts in one pipeline. Each has its own answer; what
// befalls the connection befalls all of them.
func (s *scripts) exchange(ctx context.Context, some []script) []gather.Answer[*redis.Cmd] {
	pipe := s.rdb.Pipeline()
	answers := make([]gather.Answer[*redis.Cmd], len(some))
	for i, one := range some {
		answers[i].Value = one(pipe)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	return answers
}

// inspected is the Redis client under asynq's inspector: what it asks about many
// tasks at the same time shares a round trip, too.
type inspected struct {
	redis.UniversalClient

	scripts *scripts
	ctx     context.Context //nolint:containedctx // the inspector knows none
}

// SIsMember implements redis.Cmdable. The inspector asks by it whether there is
// a lane before it asks for a task there, which is not to be found in either case.
func (inspected) SIsMember(context.Context, string, any) *redis.BoolCmd {
	return redis.NewBoolResult(true, nil)
}

// EvalSha implements redis.Scripter.
func (c inspected) EvalSha(_ context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return c.scripts.run(c.ctx, func(to redis.Scripter) *redis.Cmd { return to.EvalSha(c.ctx, sha, keys, args...) })
}

// Eval implements redis.Scripter: many learn at once that Redis does not know the
// script.
func (c inspected) Eval(_ context.Context, text string, keys []string, args ...any) *redis.Cmd {
	return c.scripts.run(c.ctx, func(to redis.Scripter) *redis.Cmd { return to.Eval(c.ctx, text, keys, args...) })
}
