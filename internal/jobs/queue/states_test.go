package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// The states of many tasks cost few round trips, also when Redis has no longer
// the script.
func TestStatesShareRoundTrips(t *testing.T) {
	t.Parallel()
	rdb, tap := redistest.Start(t).Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	queue, messages := New(rdb, 5*time.Second), waiting(300)
	if err := queue.DispatchMany(t.Context(), messages[1:]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		tap.Commands, tap.Pipelines = nil, nil
		for i, state := range queue.States(t.Context(), tasksOf(messages)) {
			want := StatePending
			if i == 0 {
				want = StateMissing
			}
			if state.Err != nil || state.Value != want {
				t.Errorf("task %d in state %d, %v", i, state.Value, state.Err)
			}
		}
		if len(tap.Commands) > 0 || len(tap.Pipelines) > len(messages)/4 {
			t.Errorf("%d pipelines, and single commands: %v", len(tap.Pipelines), tap.Commands)
		}
		if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A sweeper whose context ends does not wait for a Redis that does not answer.
func TestStatesEndWithTheSweeper(t *testing.T) {
	t.Parallel()
	rdb, held, letGo := redistest.Start(t).Client(t), make(chan struct{}), make(chan struct{})
	rdb.AddHook(&redistest.Tap{BeforePipeline: sync.OnceFunc(func() {
		close(held)
		<-letGo
	})})
	queue := New(rdb, 5*time.Second)
	ctx, end := context.WithCancel(t.Context())
	go func() {
		<-held
		end()
	}()
	for i, state := range queue.States(ctx, tasksOf(waiting(300))) {
		if !errors.Is(state.Err, context.Canceled) {
			t.Errorf("task %d in state %d, %v", i, state.Value, state.Err)
		}
	}
	close(letGo)
	queue.lookups.Wait()
}

func tasksOf(messages []*message.Message) []Task {
	tasks := make([]Task, len(messages))
	for i, m := range messages {
		tasks[i] = MessageTask(m)
	}
	return tasks
}
