package asynqredis

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Lookups runs the scripts of asynq's inspector for many tasks at the same time, in
// shared round trips.
type Lookups struct{ scripts *scripts }

// NewLookups makes Lookups that run on rdb.
func NewLookups(rdb redis.UniversalClient) *Lookups { return &Lookups{scripts: newScripts(rdb)} }

// Client returns a Redis client for an inspector, whose lookups end with ctx: the
// inspector itself has no context arguments.
func (q *Lookups) Client(ctx context.Context) redis.UniversalClient {
	return inspected{UniversalClient: q.scripts.rdb, scripts: q.scripts, ctx: ctx}
}

// Wait returns when all scripts have their replies.
func (q *Lookups) Wait() { q.scripts.batch.Wait() }

type inspected struct {
	redis.UniversalClient

	scripts *scripts
	ctx     context.Context //nolint:containedctx // asynq's inspector has no context arguments: its lookups must end with the caller's
}

// SIsMember implements redis.Cmdable. The inspector checks by it that a lane exists
// before it looks up a task; a missing lane has no task either.
func (inspected) SIsMember(context.Context, string, any) *redis.BoolCmd {
	return redis.NewBoolResult(true, nil)
}

// EvalSha implements redis.Scripter.
func (c inspected) EvalSha(_ context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return c.scripts.run(c.ctx, func(to redis.Scripter) *redis.Cmd { return to.EvalSha(c.ctx, sha, keys, args...) })
}

// Eval implements redis.Scripter: concurrent lookups use it when Redis does not have the
// script.
func (c inspected) Eval(_ context.Context, text string, keys []string, args ...any) *redis.Cmd {
	return c.scripts.run(c.ctx, func(to redis.Scripter) *redis.Cmd { return to.Eval(c.ctx, text, keys, args...) })
}
