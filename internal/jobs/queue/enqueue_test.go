package queue

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// waiting are n messages, the second of which waits for a time.
func waiting(n int) []*message.Message {
	some := make([]*message.Message, n)
	for i := range some {
		some[i] = message.New(message.NewID(message.RandomIdentity(), time.Now()), message.Scope{Tenant: "t"},
			message.Content{Priority: message.Normal}, "", time.Now())
		if i == 1 {
			some[i].NextAt = time.Now().Add(time.Hour)
		}
	}
	return some
}

func newTappedQueue(t *testing.T) (*Queue, *redis.Client, *redistest.Tap) {
	t.Helper()
	rdb, hook := redistest.Start(t).Client(t), &redistest.Tap{}
	rdb.AddHook(hook)
	return New(rdb, 5*time.Second), rdb, hook
}

// same reports tasks that are not as asynq's own client makes them.
func same(t *testing.T, q *Queue, messages []*message.Message) {
	t.Helper()
	for i, m := range messages {
		info, err := q.inspector(t.Context()).GetTaskInfo(LaneOf(m), taskName(m))
		if err != nil {
			t.Fatalf("task %d: %v", i, err)
		}
		state := asynq.TaskStatePending
		if !m.NextAt.IsZero() {
			state = asynq.TaskStateScheduled
		}
		if info.State != state || info.Type != TaskType || len(info.Payload) != 0 || info.MaxRetry != neverArchived || info.Timeout != 5*time.Second {
			t.Errorf("task %d: %+v", i, info)
		}
	}
}

// A task has the trace of its message in a header, and no header without one.
func TestTaskHasTheTraceOfItsMessage(t *testing.T) {
	t.Parallel()
	q, _, _ := newTappedQueue(t)
	messages := waiting(3)
	messages[2].Trace = message.ParseTrace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err := q.DispatchMany(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	for i, m := range messages {
		info, err := q.inspector(t.Context()).GetTaskInfo(LaneOf(m), taskName(m))
		if err != nil {
			t.Fatal(err)
		}
		task := asynq.NewTaskWithHeaders(info.Type, info.Payload, info.Headers)
		if TraceOf(task) != m.Trace || m.Trace == "" && len(info.Headers) > 0 {
			t.Errorf("task %d has the headers %v", i, info.Headers)
		}
	}
}

func TestManyTasksTakeOneRoundTrip(t *testing.T) {
	t.Parallel()
	q, _, hook := newTappedQueue(t)
	if err := q.DispatchMany(t.Context(), waiting(2)); err != nil {
		t.Fatal(err)
	}
	hook.Commands, hook.Pipelines = nil, nil
	messages := waiting(300)
	if err := q.DispatchMany(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	const announcement = 1 // of the tasks, to idle workers; none when the first two were announced a moment ago
	if len(hook.Commands) > 0 || len(hook.Pipelines) != 1 || len(hook.Pipelines[0])-len(messages) > announcement {
		t.Errorf("%d pipelines, and single commands: %v", len(hook.Pipelines), hook.Commands)
	}
	same(t, q, messages)
	if err := q.DispatchMany(t.Context(), messages); err != nil {
		t.Errorf("tasks that exist: %v", err)
	}
}

// Redis has no scripts after a restart.
func TestTasksAreMadeAfterScriptFlush(t *testing.T) {
	t.Parallel()
	q, rdb, _ := newTappedQueue(t)
	for range 2 {
		messages := waiting(5)
		if err := q.DispatchMany(t.Context(), messages); err != nil {
			t.Fatal(err)
		}
		same(t, q, messages)
		if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A task that cannot be enqueued is an error, and does not prevent the others.
func TestOneTaskThatCannotBeMade(t *testing.T) {
	t.Parallel()
	q, rdb, _ := newTappedQueue(t)
	messages := waiting(5)
	messages[2].Content.Priority = message.High
	if err := rdb.Set(t.Context(), "asynq:{high}:pending", "no list", 0).Err(); err != nil {
		t.Fatal(err)
	}
	err := q.DispatchMany(t.Context(), messages)
	if err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("got %v", err)
	}
	same(t, q, append(messages[:2:2], messages[3:]...))
}

func TestNoTaskIsMadeWithoutRedis(t *testing.T) {
	t.Parallel()
	store := redistest.Start(t)
	q := New(store.Client(t), 5*time.Second)
	if err := q.DispatchMany(t.Context(), waiting(2)); err != nil {
		t.Fatal(err)
	}
	store.Stop()
	if err := q.DispatchMany(t.Context(), waiting(3)); err == nil {
		t.Error("tasks were made without Redis")
	}
}
