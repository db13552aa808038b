package asynqredis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Producer is the Redis client of asynq's client. With a pipeline in the context it
// adds the script that enqueues a task to it, and returns to asynq that the task was
// enqueued; the result is known when the pipeline is executed. So asynq's own scripts
// enqueue many tasks in one round trip.
type Producer struct{ redis.UniversalClient }

type pipelineKey struct{}

// Pipelined returns a context in which asynq's scripts are added to pipe instead of
// being run.
func Pipelined(ctx context.Context, pipe redis.Pipeliner) context.Context {
	return context.WithValue(ctx, pipelineKey{}, pipe)
}

// The replies of asynq's scripts.
const (
	taskEnqueued = 1
	taskExists   = 0
)

// EvalSha implements redis.Scripter.
func (p Producer) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	pipe, ok := ctx.Value(pipelineKey{}).(redis.Pipeliner)
	if !ok {
		return p.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	pipe.EvalSha(ctx, sha, keys, args...)
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(int64(taskEnqueued))
	return cmd
}

// ErrNotPipelined is returned when asynq enqueues a task by anything but one script,
// which TestAsynqEnqueuesATaskByOneScript checks for the version in use.
var ErrNotPipelined = errors.New("asynq does not enqueue a task by one script")

// Enqueued reads the reply of a pipelined script: true for a new task, false for one
// that existed.
func Enqueued(cmd redis.Cmder) (bool, error) {
	script, ok := cmd.(*redis.Cmd)
	if !ok {
		return false, ErrNotPipelined
	}
	n, err := script.Int64()
	switch {
	case err != nil:
		return false, fmt.Errorf("enqueue message: %w", err)
	case n != taskEnqueued && n != taskExists:
		return false, ErrNotPipelined
	default:
		return n == taskEnqueued, nil
	}
}
