package asynqredis

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Questions runs the scripts of asynq's inspector for many tasks at the same time, in
// shared round trips.
type Questions struct{ scripts *scripts }

// NewQuestions are asked of rdb.
func NewQuestions(rdb redis.UniversalClient) *Questions { return &Questions{scripts: newScripts(rdb)} }

// Client is a Redis client for an inspector, whose questions end with ctx: the
// inspector itself knows no contexts.
func (q *Questions) Client(ctx context.Context) redis.UniversalClient {
	return inspected{UniversalClient: q.scripts.rdb, scripts: q.scripts, ctx: ctx}
}

// Wait returns when all scripts have their answers.
func (q *Questions) Wait() { q.scripts.together.Wait() }

type inspected struct {
	redis.UniversalClient

	scripts *scripts
	ctx     context.Context //nolint:containedctx // asynq's inspector has no context arguments: its lookups must end with the caller's
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

// Eval implements redis.Scripter: many lookups find at once that Redis does not have the
// script.
func (c inspected) Eval(_ context.Context, text string, keys []string, args ...any) *redis.Cmd {
	return c.scripts.run(c.ctx, func(to redis.Scripter) *redis.Cmd { return to.Eval(c.ctx, text, keys, args...) })
}
