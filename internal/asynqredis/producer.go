package asynqredis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Producer is the Redis client of asynq's client. With a pipeline in the context it
// queues the script that enqueues a task there, and answers asynq that the task was
// enqueued; the result comes when the pipeline is executed. Many tasks are enqueued
// in one round trip in this way, by asynq's own scripts.
type Producer struct{ redis.UniversalClient }

type pipelineKey struct{}

// Pipelined queues asynq's scripts in pipe instead of running them.
func Pipelined(ctx context.Context, pipe redis.Pipeliner) context.Context {
	return context.WithValue(ctx, pipelineKey{}, pipe)
}

// The answers of asynq's scripts.
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
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(int64(taskMade))
	return cmd
}

// ErrNotPipelined is returned when asynq enqueues a task by anything but one script,
// which TestAsynqMakesATaskByOneScript checks for the version in use.
var ErrNotPipelined = errors.New("asynq does not make a task by one script")

// Made reads the answer of a pipelined script: true for a task that it enqueued,
// false for one that existed.
func Made(cmd redis.Cmder) (bool, error) {
	script, ok := cmd.(*redis.Cmd)
	if !ok {
		return false, ErrNotPipelined
	}
	n, err := script.Int64()
	switch {
	case err != nil:
		return false, fmt.Errorf("enqueue message: %w", err)
	case n != taskMade && n != taskExists:
		return false, ErrNotPipelined
	default:
		return n == taskMade, nil
	}
}
