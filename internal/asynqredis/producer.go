package asynqredis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Producer is the Redis client under asynq's own. With a pipeline in the context
// it notes down there the script that makes a task, and says that the task was
// made; the truth comes when the pipeline is sent. So many tasks go to Redis at
// once, and asynq still says how each is made.
type Producer struct{ redis.UniversalClient }

type pipelineKey struct{}

// Noting makes asynq's scripts be noted down in pipe.
func Noting(ctx context.Context, pipe redis.Pipeliner) context.Context {
	return context.WithValue(ctx, pipelineKey{}, pipe)
}

// What asynq's scripts answer.
const (
	taskMade   = 1
	taskExists = 0
)

// EvalSha implements redis.Scripter.
func (p Producer) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	pipe, ok := ctx.Value(pipelineKey{}).(redis.Pipeliner)
	if !ok {
		return p.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	pipe.EvalSha(ctx, sha, keys, args...)
	said := redis.NewCmd(ctx)
	said.SetVal(int64(taskMade))
	return said
}

// ErrNotNoted says that asynq makes tasks in another way than this package
// knows. TestAsynqMakesATaskByOneScript notices it first.
var ErrNotNoted = errors.New("asynq does not make a task by one script")

// Made reads what a script that was noted down said about its task: whether it
// was made just now, or there before.
func Made(cmd redis.Cmder) (bool, error) {
	said, ok := cmd.(*redis.Cmd)
	if !ok {
		return false, ErrNotNoted
	}
	n, err := said.Int64()
	switch {
	case err != nil:
		return false, fmt.Errorf("enqueue message: %w", err)
	case n != taskMade && n != taskExists:
		return false, ErrNotNoted
	default:
		return n == taskMade, nil
	}
}
