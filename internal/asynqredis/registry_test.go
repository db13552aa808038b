package asynqredis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/redistest"
)

// eventually waits until cond reports true.
func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !cond() {
		select {
		case <-deadline:
			t.Fatal("it did not come true")
		case <-tick.C:
		}
	}
}

// runGroup starts a group of three servers of the asynq in use whose tasks run until
// their context or the test ends, and two such tasks.
func runGroup(t *testing.T) (inspector *asynq.Inspector, ended <-chan string, stop func()) {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	servers := NewServers(t.Context(), rdb, time.Now, []string{lane}, func(error) {})
	done, finish := make(chan string, 2), make(chan struct{})
	handle := asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		select {
		case <-ctx.Done():
			id, _ := asynq.GetTaskID(ctx)
			done <- id
		case <-finish:
		}
		return nil
	})
	group := servers.Group("slow", 6, lane)
	var started []*asynq.Server
	for range 3 {
		server := asynq.NewServerFromRedisClient(group.Client(), asynq.Config{
			Concurrency: 2, Queues: map[string]int{lane: 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: time.Millisecond,
		})
		if err := server.Start(handle); err != nil {
			t.Fatal(err)
		}
		started = append(started, server)
	}
	watch(t, servers)
	stop = func() {
		close(finish)
		servers.Release()
		for _, server := range started {
			server.Stop()
			server.Shutdown()
		}
	}
	producer := asynq.NewClientFromRedisClient(rdb)
	for _, id := range []string{"one", "two"} {
		if _, err := producer.Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane), asynq.TaskID(id)); err != nil {
			t.Fatal(err)
		}
	}
	return asynq.NewInspectorFromRedisClient(rdb), done, stop
}

// The servers of a group are one in asynq's list, with the slots and the tasks of
// all, until they stop.
func TestGroupIsListedAsOneServer(t *testing.T) {
	t.Parallel()
	inspector, _, stop := runGroup(t)
	var listed []*asynq.ServerInfo
	eventually(t, func() bool {
		listed, _ = inspector.Servers()
		return len(listed) > 0 && len(listed[0].ActiveWorkers) == 2
	})
	if s := listed[0]; len(listed) != 1 || s.Concurrency != 6 || s.Status != "active" || !strings.HasSuffix(s.Host, "/slow") || s.PID == 0 {
		t.Errorf("%d servers, the first: %+v", len(listed), s)
	}
	stop()
	if listed, err := inspector.Servers(); err != nil || len(listed) > 0 {
		t.Errorf("%d servers after the stop, %v", len(listed), err)
	}
}

// The task that an operator cancels ends at whichever server runs it.
func TestCanceledTaskEnds(t *testing.T) {
	t.Parallel()
	inspector, ended, stop := runGroup(t)
	defer stop()
	for _, id := range []string{"one", "two"} {
		eventually(t, func() bool {
			if err := inspector.CancelProcessing(id); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-ended:
				return got == id
			default:
				return false
			}
		})
	}
}
