package asynqredis

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// The version of asynq in use must ask for a task by one script, whose answer
// says whether there was one; a new lane is published before.
func TestAsynqMakesATaskByOneScript(t *testing.T) {
	t.Parallel()
	rdb, tap := redistest.Start(t).Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	client := asynq.NewClientFromRedisClient(Producer{rdb})
	options := func(name string) [][]asynq.Option {
		return [][]asynq.Option{
			{asynq.Queue("normal"), asynq.TaskID(name)},
			{asynq.Queue("normal"), asynq.TaskID(name + "-later"), asynq.ProcessIn(time.Hour)},
		}
	}
	for _, opts := range options("known") { // Redis learns both scripts
		if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("test", nil), opts...); err != nil {
			t.Fatal(err)
		}
	}
	tap.Alone, tap.Pipelines = nil, nil
	pipe := rdb.Pipeline()
	for i, opts := range append(options("new"), options("known")...) {
		if _, err := client.EnqueueContext(Pipelined(t.Context(), pipe), asynq.NewTask("test", nil), opts...); err != nil {
			t.Fatal(err)
		}
		if pipe.Len() != i+1 {
			t.Fatalf("asynq asked for %d things to make a task", pipe.Len()-i)
		}
	}
	said, err := pipe.Exec(t.Context())
	if err != nil || len(tap.Alone) > 0 {
		t.Fatalf("%v; asked alone: %v", err, tap.Alone)
	}
	for i, want := range []bool{true, true, false, false} {
		if made, err := Made(said[i]); made != want || err != nil || said[i].Name() != "evalsha" {
			t.Errorf("%s %d: made %t, %v; want %t", said[i].Name(), i, made, err, want)
		}
	}
}

// What is no answer of asynq's script is not taken for one.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	other := redis.NewCmd(t.Context())
	other.SetVal(int64(-1))
	for _, cmd := range []redis.Cmder{other, redis.NewStatusCmd(t.Context()), redis.NewCmd(t.Context())} {
		if made, err := Made(cmd); made || err == nil {
			t.Errorf("%v: made %t, %v", cmd, made, err)
		}
	}
}
