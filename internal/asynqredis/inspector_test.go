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

// Inspectors ask about a task by one script, and those of one moment share round
// trips; a task that is not there is none also in a lane that is not there.
func TestInspectorSharesRoundTrips(t *testing.T) {
	t.Parallel()
	const callers = 100
	rdb, tap := redistest.Start(t).Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	client := asynq.NewClientFromRedisClient(rdb)
	if _, err := client.Enqueue(asynq.NewTask("test", nil), asynq.Queue("normal"), asynq.TaskID("0")); err != nil {
		t.Fatal(err)
	}
	questions := NewQuestions(rdb)
	inspector := asynq.NewInspectorFromRedisClient(questions.Client(t.Context()))
	tap.Alone, tap.Pipelines = nil, nil
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
	if len(tap.Alone) > 0 || len(tap.Pipelines) > callers/2 {
		t.Errorf("%d pipelines, and alone: %v", len(tap.Pipelines), tap.Alone)
	}
}

// What is asked once the context is over is not waited for.
func TestInspectorEndsWithItsContext(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx, end := context.WithCancel(t.Context())
	end()
	questions := NewQuestions(rdb)
	_, err := asynq.NewInspectorFromRedisClient(questions.Client(ctx)).GetTaskInfo("normal", "1")
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, asynq.ErrTaskNotFound) {
		t.Error(err)
	}
	questions.Wait()
}
