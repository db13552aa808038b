package asynqredis

import (
	"context"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/batcher"
)

// script runs one of asynq's scripts.
type script func(redis.Scripter) *redis.Cmd

// scripts runs asynq's scripts; concurrent ones share a round trip.
type scripts struct {
	rdb   redis.UniversalClient
	batch *batcher.Batcher[script, *redis.Cmd]
}

func newScripts(rdb redis.UniversalClient) *scripts {
	s := &scripts{rdb: rdb}
	s.batch = batcher.New(s.exchange)
	return s
}

func (s *scripts) run(ctx context.Context, one script) *redis.Cmd {
	cmd, err := s.batch.Do(ctx, one)
	if cmd == nil {
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(err)
	}
	return cmd
}

// exchange runs scripts in one pipeline. Each has its own reply; an error of the
// connection is an error of all.
func (s *scripts) exchange(ctx context.Context, some []script) []batcher.Result[*redis.Cmd] {
	pipe := s.rdb.Pipeline()
	answers := make([]batcher.Result[*redis.Cmd], len(some))
	for i, one := range some {
		answers[i].Value = one(pipe)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	return answers
}
