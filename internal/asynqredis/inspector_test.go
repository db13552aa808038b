package asynqredis

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/redistest"
)

// Inspectors look up a task by one script, and concurrent ones share round trips; a
// missing task is also none in a missing lane.
func TestInspectorSharesRoundTrips(t *testing.T) {
	t.Parallel()
	const callers = 100
	rdb, tap := redistest.Start(t).Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	client := asynq.NewClientFromRedisClient(rdb)
	if _, err := client.Enqueue(asynq.NewTask("test", nil), asynq.Queue("normal"), asynq.TaskID("0")); err != nil {
		t.Fatal(err)
	}
	lookups := NewLookups(rdb)
	inspector := asynq.NewInspectorFromRedisClient(lookups.Client(t.Context()))
	tap.Commands, tap.Pipelines = nil, nil
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			lane := []string{"normal", "nowhere"}[n%2]
			info, err := inspector.GetTaskInfo(lane, strconv.Itoa(n))
			switch {
			case n == 0 && (err != nil || info.State != asynq.TaskStatePending):
				t.Errorf("%+v, %v", info, err)
			case n > 0 && !errors.Is(err, asynq.ErrTaskNotFound):
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	all.Wait()
	if len(tap.Commands) > 0 || len(tap.Pipelines) > callers/2 {
		t.Errorf("%d pipelines, and alone: %v", len(tap.Pipelines), tap.Commands)
	}
}

// A lookup after the end of the context is not waited for.
func TestInspectorEndsWithItsContext(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx, end := context.WithCancel(t.Context())
	end()
	lookups := NewLookups(rdb)
	_, err := asynq.NewInspectorFromRedisClient(lookups.Client(ctx)).GetTaskInfo("normal", "1")
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, asynq.ErrTaskNotFound) {
		t.Error(err)
	}
	lookups.Wait()
}
