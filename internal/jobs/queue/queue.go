// Package queue enqueues the tasks of messages and of groups in asynq, by lane. The
// ledger alone has the state of a message: a task only causes a worker to read it.
package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/asynqredis"
	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
)

// TaskType is the type of all tasks. It is short because a million of them wait in
// memory, and their payload is empty: the task's id identifies the message or group.
const TaskType = "mms"

// neverArchived is a retry count that is never reached, since no error of ours
// counts as a failure for asynq. Zero would archive at the first one.
const neverArchived = 100

// Queue enqueues messages in their lanes. It is safe for concurrent use.
type Queue struct {
	client   *asynq.Client
	lookups  *asynqredis.Lookups
	notifier *asynqredis.Notifier
	rdb      redis.UniversalClient
	groups   *redis.Script
	park     *redis.Script
	unparked *redis.Script
	timeout  time.Duration
	batched  *batcher.Batcher[*message.Message, bool]
	parkings *batcher.Batcher[parking, bool]
}

// New creates a queue. timeout bounds one run of a task.
func New(rdb redis.UniversalClient, timeout time.Duration) *Queue {
	q := &Queue{
		client:   asynq.NewClientFromRedisClient(asynqredis.Producer{UniversalClient: rdb}),
		lookups:  asynqredis.NewLookups(rdb),
		notifier: asynqredis.NewNotifier(rdb),
		rdb:      rdb,
		groups:   redis.NewScript(groupLua),
		park:     redis.NewScript(parkLua),
		unparked: redis.NewScript(unparkLua),
		timeout:  timeout,
	}
	q.batched = batcher.New(q.DispatchEach)
	q.parkings = batcher.New(q.parkMany)
	return q
}

// Dispatch enqueues the task of a waiting message. A task that exists is no error.
// Concurrent calls share a round trip.
func (q *Queue) Dispatch(ctx context.Context, m *message.Message) error {
	_, err := q.batched.Do(ctx, m)
	return err
}

// DispatchSoon is Dispatch without waiting for the result. failed is called with an
// error, on another goroutine.
func (q *Queue) DispatchSoon(m *message.Message, failed func(error)) {
	q.batched.DoAsync(m, func(answer batcher.Result[bool]) {
		if answer.Err != nil {
			failed(answer.Err)
		}
	})
}

// Wait returns when all calls of DispatchSoon have their results.
func (q *Queue) Wait() { q.batched.Wait() }

// DispatchMany enqueues the tasks of waiting messages in one round trip. It tries
// all of them and returns one of the errors.
func (q *Queue) DispatchMany(ctx context.Context, messages []*message.Message) error {
	for _, answer := range q.DispatchEach(ctx, messages) {
		if answer.Err != nil {
			return answer.Err
		}
	}
	return nil
}

// DispatchEach enqueues the tasks of waiting messages in one round trip. The results
// are true for tasks that were missing. Members of groups are added to them in
// another round trip before it, and have the result of their group's task.
func (q *Queue) DispatchEach(ctx context.Context, messages []*message.Message) []batcher.Result[bool] {
	tasks := make([]Task, 0, len(messages))
	places := make([]int, len(messages)) // in tasks
	var grouped []*message.Message
	for i, m := range messages {
		if m.Group != "" {
			grouped = append(grouped, m)
			continue
		}
		places[i] = len(tasks)
		tasks = append(tasks, MessageTask(m))
	}
	var failed error
	if len(grouped) > 0 {
		var groups []Group
		groups, failed = q.Regroup(ctx, additions(grouped)...)
		placeOf := make(map[string]int, len(groups))
		for _, g := range groups { // the last one of a name is the latest
			placeOf[g.Name] = len(tasks)
			tasks = append(tasks, g.Task())
		}
		for i, m := range messages {
			if m.Group != "" {
				places[i] = placeOf[m.Group]
			}
		}
	}
	made := q.enqueueMany(ctx, tasks)
	answers := make([]batcher.Result[bool], len(messages))
	for i, m := range messages {
		if answers[i].Err = failed; m.Group == "" || failed == nil {
			answers[i] = made[places[i]]
		}
	}
	return answers
}

// Task is one task of asynq. Its id identifies its message or group.
type Task struct {
	ID    string
	Lane  string
	At    time.Time     // not before; zero: at once
	Trace message.Trace // of the message; empty: the task has no headers
}

// MessageTask is the task of a message without a group.
func MessageTask(m *message.Message) Task {
	return Task{ID: taskName(m), Lane: LaneOf(m), At: m.NextAt, Trace: m.Trace}
}

// Enqueue enqueues a task. missing is false for one that exists.
func (q *Queue) Enqueue(ctx context.Context, t Task) (missing bool, err error) {
	opts := []asynq.Option{
		asynq.TaskID(t.ID),
		asynq.Queue(t.Lane),
		asynq.MaxRetry(neverArchived),
		asynq.Timeout(wholeSeconds(q.timeout)),
	}
	if t.At.After(time.Now()) { // asynq keeps whole seconds
		opts = append(opts, asynq.ProcessAt(t.At.Add(time.Second-time.Nanosecond).Truncate(time.Second)))
	}
	_, err = q.client.EnqueueContext(ctx, t.asynq(), opts...)
	switch {
	case errors.Is(err, asynq.ErrTaskIDConflict):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("enqueue message: %w", err)
	default:
		return true, nil
	}
}

// traceHeader is the header of a task whose message is traced.
const traceHeader = "traceparent"

// asynq is the task as asynq has it. Its headers are only there where it is traced,
// since they take memory in Redis.
func (t Task) asynq() *asynq.Task {
	if t.Trace == "" {
		return asynq.NewTask(TaskType, nil)
	}
	return asynq.NewTaskWithHeaders(TaskType, nil, map[string]string{traceHeader: t.Trace.Parent()})
}

// TraceOf is the trace of a task; empty: it is not traced.
func TraceOf(t *asynq.Task) message.Trace { return message.ParseTrace(t.Headers()[traceHeader]) }

// wholeSeconds rounds up: asynq cuts fractions off, and zero would mean its
// own default of half an hour.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// taskName is the task id of a message: its own id, with the generation of the task
// from the second one on.
func taskName(m *message.Message) string {
	if m.Task == 0 {
		return m.ID.Short()
	}
	return m.ID.Short() + "-" + strconv.Itoa(m.Task)
}

// ParseTask returns the message of a task, and the generation of the task.
func ParseTask(name string) (message.ID, int, error) {
	short, number, replaced := strings.Cut(name, "-")
	id, err := message.ParseID("msg_" + short)
	if err != nil {
		return "", 0, fmt.Errorf("task name: %w", err)
	}
	if !replaced {
		return id, 0, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return "", 0, fmt.Errorf("task name: %w", message.ErrMalformedID)
	}
	return id, n, nil
}

// TaskState is the state of a task.
type TaskState int

// The states.
const (
	StatePending  TaskState = iota // it will run
	StateActive                    // it runs, or its worker crashed
	StateArchived                  // archived or completed: it will not run
	StateMissing                   // it does not exist
)

// State reads the state of a task.
func (q *Queue) State(ctx context.Context, t Task) (TaskState, error) {
	info, err := q.inspector(ctx).GetTaskInfo(t.Lane, t.ID)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
		return StateMissing, nil
	case err != nil:
		return StateMissing, fmt.Errorf("inspect task: %w", err)
	}
	switch info.State {
	case asynq.TaskStateActive:
		return StateActive, nil
	case asynq.TaskStateArchived, asynq.TaskStateCompleted:
		return StateArchived, nil
	default:
		return StatePending, nil
	}
}

// activePage is the number of tasks that asynq lists at a time.
const activePage = 1000

// Running returns the ids of the active tasks of a lane; true: a live worker renews
// asynq's lease.
func (q *Queue) Running(ctx context.Context, lane string) (map[string]bool, error) {
	names := make(map[string]bool)
	for page := 1; ; page++ {
		active, err := q.inspector(ctx).ListActiveTasks(lane, asynq.PageSize(activePage), asynq.Page(page))
		if err != nil {
			return nil, fmt.Errorf("list running tasks: %w", err)
		}
		for _, task := range active {
			names[task.ID] = !task.IsOrphaned
		}
		if len(active) < activePage {
			return names, nil
		}
	}
}

func (q *Queue) inspector(ctx context.Context) *asynq.Inspector {
	return asynq.NewInspectorFromRedisClient(q.lookups.Client(ctx))
}

// States reads the states of tasks concurrently.
func (q *Queue) States(ctx context.Context, tasks []Task) []batcher.Result[TaskState] {
	answers := make([]batcher.Result[TaskState], len(tasks))
	var all sync.WaitGroup
	for i, t := range tasks {
		all.Go(func() { answers[i].Value, answers[i].Err = q.State(ctx, t) })
	}
	all.Wait()
	return answers
}

// PublishLanes writes the list of lanes for the queue UI. asynq writes it once per
// process, so that it would stay empty after Redis was emptied.
func (q *Queue) PublishLanes(ctx context.Context) error {
	names := make([]any, 0, message.BulkShards+3)
	for _, lane := range Lanes() {
		names = append(names, lane)
	}
	if err := q.rdb.SAdd(ctx, "asynq:queues", names...).Err(); err != nil {
		return fmt.Errorf("publish lanes: %w", err)
	}
	return nil
}
