package asynqredis

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// The version of asynq in use must enqueue a task by one script, whose reply tells a
// new task from an existing one; a new lane is published before.
func TestAsynqEnqueuesATaskByOneScript(t *testing.T) {
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
	for _, opts := range options("known") { // Redis caches both scripts
		if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("test", nil), opts...); err != nil {
			t.Fatal(err)
		}
	}
	tap.Commands, tap.Pipelines = nil, nil
	pipe := rdb.Pipeline()
	for i, opts := range append(options("new"), options("known")...) {
		if _, err := client.EnqueueContext(Pipelined(t.Context(), pipe), asynq.NewTask("test", nil), opts...); err != nil {
			t.Fatal(err)
		}
		if pipe.Len() != i+1 {
			t.Fatalf("asynq ran %d commands to enqueue a task", pipe.Len()-i)
		}
	}
	results, err := pipe.Exec(t.Context())
	if err != nil || len(tap.Commands) > 0 {
		t.Fatalf("%v; single commands: %v", err, tap.Commands)
	}
	for i, want := range []bool{true, true, false, false} {
		if enqueued, err := Enqueued(results[i]); enqueued != want || err != nil || results[i].Name() != "evalsha" {
			t.Errorf("%s %d: enqueued %t, %v; want %t", results[i].Name(), i, enqueued, err, want)
		}
	}
}

// Any other reply than those of asynq's script is an error.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	other := redis.NewCmd(t.Context())
	other.SetVal(int64(-1))
	for _, cmd := range []redis.Cmder{other, redis.NewStatusCmd(t.Context()), redis.NewCmd(t.Context())} {
		if enqueued, err := Enqueued(cmd); enqueued || err == nil {
			t.Errorf("%v: enqueued %t, %v", cmd, enqueued, err)
		}
	}
}
