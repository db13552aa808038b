package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/telemetry"
)

func registryOf(collectors ...prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	return registry
}

func TestQueueCollectorReadsRedis(t *testing.T) {
	t.Parallel()

	redis := redistest.Start(t).Client(t)
	client := asynq.NewClientFromRedisClient(redis)
	inspector := asynq.NewInspectorFromRedisClient(redis)

	for _, opts := range [][]asynq.Option{
		{asynq.Queue("high")},
		{asynq.Queue("high")},
		{asynq.Queue("high"), asynq.ProcessIn(time.Hour)},
		{asynq.Queue("normal")},
	} {
		if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("send", nil), opts...); err != nil {
			t.Fatal(err)
		}
	}

	if err := inspector.PauseQueue("normal"); err != nil {
		t.Fatal(err)
	}

	registry := registryOf(telemetry.NewQueueCollector(inspector, "high", "normal", "bulk"))

	wantSamples(t, registry,
		`mms_queue_readable 1`,
		`mms_queue_tasks{lane="high",state="pending"} 2`,
		`mms_queue_tasks{lane="high",state="scheduled"} 1`,
		`mms_queue_tasks{lane="normal",state="pending"} 1`,
		`mms_queue_tasks{lane="bulk",state="pending"} 0`,
		`mms_queue_paused{lane="high"} 0`,
		`mms_queue_paused{lane="normal"} 1`,
		`mms_queue_processed_total{lane="high"} 0`,
	)

	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// hangingQueues is a Redis that does not answer until it is let go.
type hangingQueues struct {
	calls chan struct{} // one element for each call
	letGo chan struct{}
}

func (q *hangingQueues) Queues() ([]string, error) {
	q.calls <- struct{}{}
	<-q.letGo
	return []string{"high"}, nil
}

func (q *hangingQueues) GetQueueInfo(queue string) (*asynq.QueueInfo, error) {
	return &asynq.QueueInfo{Queue: queue, Pending: 7}, nil
}

func TestQueueCollectorDoesNotWaitForAHangingRedis(t *testing.T) {
	t.Parallel()

	queues := &hangingQueues{calls: make(chan struct{}, 10), letGo: make(chan struct{})}
	registry := registryOf(telemetry.NewQueueCollector(queues, "high"))

	for range 2 {
		begun := time.Now()

		if got := scrape(t, registry); got != "mms_queue_readable 0\n" {
			t.Errorf("scrape:\n%s", got)
		}

		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("a scrape took %s", took)
		}
	}

	if len(queues.calls) != 1 {
		t.Errorf("%d reads were begun while the first hangs", len(queues.calls))
	}

	close(queues.letGo)
	wantSamples(t, registry, `mms_queue_readable 1`, `mms_queue_tasks{lane="high",state="pending"} 7`)
}

func TestLaneCollector(t *testing.T) {
	t.Parallel()

	var broken bool

	registry := registryOf(telemetry.NewLaneCollector(func(ctx context.Context) (map[string]telemetry.LaneState, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("no deadline")
		}

		if broken {
			return nil, errors.New("redis is down")
		}
		return map[string]telemetry.LaneState{
			"high": {Messages: map[string]int64{"queued": 1, "unknown": 1}},
			"bulk": {Messages: map[string]int64{"queued": 2, "unknown": 0}, Oldest: 90 * time.Second},
		}, nil
	}))

	wantSamples(t, registry, `mms_messages_readable 1`, `mms_messages{status="queued"} 3`, `mms_messages{status="unknown"} 1`,
		`mms_lane_messages{lane="high",state="queued"} 1`, `mms_lane_messages{lane="bulk",state="queued"} 2`,
		`mms_lane_messages{lane="bulk",state="unknown"} 0`,
		`mms_lane_oldest_seconds{lane="high"} 0`, `mms_lane_oldest_seconds{lane="bulk"} 90`)

	broken = true

	if got := scrape(t, registry); strings.TrimSpace(got) != "mms_messages_readable 0" {
		t.Errorf("scrape:\n%s", got)
	}
}
