package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/asynqredis"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// The tasks of many messages need one connection: none waits for one so long
// that its task is not made.
func TestDispatchManyNeedsOneConnection(t *testing.T) {
	t.Parallel()
	opts, err := redis.ParseURL(redistest.Shared(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.PoolSize, opts.PoolTimeout, opts.MaxRetries = 1, time.Millisecond, -1
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })

	messages := make([]*message.Message, 500)
	for i := range messages {
		id := message.NewID([16]byte{byte(i), byte(i >> 8)}, time.Now())
		messages[i] = &message.Message{ID: id, Content: message.Content{Priority: message.Normal}}
	}
	queue := New(rdb, time.Second)
	if err := queue.DispatchMany(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if state, err := queue.State(t.Context(), MessageTask(m)); err != nil || state != StatePending {
			t.Fatalf("the task of %s is in state %d: %v", m.ID, state, err)
		}
	}
}

// DispatchSoon does not wait while Redis does not answer, and reports a task that
// could not be enqueued.
func TestDispatchSoonDoesNotWait(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, tap := server.Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	queue, reader := New(rdb, time.Second), New(server.Client(t), time.Second)
	some := waiting(2)
	if err := queue.DispatchMany(t.Context(), waiting(1)); err != nil { // Redis loads the script
		t.Fatal(err)
	}
	letGo := make(chan struct{})
	tap.BeforePipeline = func() { <-letGo }
	unexpected := func(err error) { t.Error(err) }
	queue.DispatchSoon(some[0], unexpected)
	queue.DispatchSoon(some[1], unexpected)
	if state, err := reader.State(t.Context(), MessageTask(some[0])); err != nil || state != StateMissing {
		t.Errorf("the task exists before the command was sent: %v, %v", state, err)
	}
	close(letGo)
	queue.Wait()
	for _, m := range some {
		if state, err := reader.State(t.Context(), MessageTask(m)); err != nil || state != StatePending {
			t.Errorf("after the wait: %v, %v", state, err)
		}
	}
	server.Kill()
	var failed error
	queue.DispatchSoon(waiting(1)[0], func(err error) { failed = err })
	queue.Wait()
	if failed == nil || errors.Is(failed, asynqredis.ErrNotPipelined) {
		t.Errorf("without Redis: %v", failed)
	}
}
