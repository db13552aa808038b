package telemetry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
)

// ScrapeTimeout bounds the wait of one scrape for Redis.
const ScrapeTimeout = 1500 * time.Millisecond

// QueueReader reads the sizes of queues; *asynq.Inspector is one.
type QueueReader interface {
	Queues() ([]string, error)
	GetQueueInfo(queue string) (*asynq.QueueInfo, error)
}

// UnknownMemory is the memory of a queue whose Redis does not report it.
const UnknownMemory = -1

// QueueCollector reads the queues at each scrape.
type QueueCollector struct {
	lanes []string
	read  *bounded[[]*asynq.QueueInfo]

	readable, tasks, paused, memory, processed, failed *prometheus.Desc
}

// NewQueueCollector returns a collector for lanes, which are names of queues. A
// lane that asynq has not seen yet is empty.
func NewQueueCollector(reader QueueReader, lanes ...string) *QueueCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "queue", name), help, labels, nil)
	}
	return &QueueCollector{
		lanes:     lanes,
		read:      newBounded(func(context.Context) ([]*asynq.QueueInfo, error) { return readQueues(reader, lanes) }),
		readable:  desc("readable", "Whether this scrape could read the queues; without it their other metrics are absent."),
		tasks:     desc("tasks", "Tasks by lane and state.", "lane", "state"),
		paused:    desc("paused", "Whether the lane is paused.", "lane"),
		memory:    desc("memory_bytes", "Memory of the lane in Redis, estimated from a sample.", "lane"),
		processed: desc("processed_total", "Tasks processed by all workers.", "lane"),
		failed:    desc("failed_total", "Tasks failed in all workers.", "lane"),
	}
}

// Describe implements prometheus.Collector.
func (c *QueueCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.readable, c.tasks, c.paused, c.memory, c.processed, c.failed} {
		descs <- desc
	}
}

// Collect reads the queues within ScrapeTimeout.
func (c *QueueCollector) Collect(metrics chan<- prometheus.Metric) {
	infos, err := c.read.get()
	metrics <- prometheus.MustNewConstMetric(c.readable, prometheus.GaugeValue, truth(err == nil))

	memoryKnown := !slices.ContainsFunc(infos, func(info *asynq.QueueInfo) bool { return info.MemoryUsage == UnknownMemory })
	for _, info := range infos {
		gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{info.Queue}, labels...)...)
		}

		gauge(c.tasks, float64(info.Pending), "pending")
		gauge(c.tasks, float64(info.Active), "active")
		gauge(c.tasks, float64(info.Scheduled), "scheduled")
		gauge(c.tasks, float64(info.Retry), "retry")
		gauge(c.tasks, float64(info.Archived), "archived")
		gauge(c.tasks, float64(info.Completed), "completed")
		gauge(c.paused, truth(info.Paused))
		if memoryKnown {
			gauge(c.memory, float64(info.MemoryUsage))
		}

		metrics <- prometheus.MustNewConstMetric(c.processed, prometheus.CounterValue, float64(info.ProcessedTotal), info.Queue)
		metrics <- prometheus.MustNewConstMetric(c.failed, prometheus.CounterValue, float64(info.FailedTotal), info.Queue)
	}
}

func readQueues(reader QueueReader, lanes []string) ([]*asynq.QueueInfo, error) {
	known, err := reader.Queues()
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}

	infos := make([]*asynq.QueueInfo, len(lanes))

	for i, lane := range lanes {
		if !slices.Contains(known, lane) {
			infos[i] = &asynq.QueueInfo{Queue: lane}

			continue
		}

		if infos[i], err = reader.GetQueueInfo(lane); err != nil {
			return nil, fmt.Errorf("read queue %s: %w", lane, err)
		}
	}
	return infos, nil
}

// LaneState is the content of a lane, as counted by the ledger.
type LaneState struct {
	Messages map[string]int64 // by state, for states that are neither sent nor final
	Oldest   time.Duration    // since the longest-waiting message was accepted or due
}

// LaneCollector reads the lanes from the ledger at each scrape.
type LaneCollector struct {
	read                              *bounded[map[string]LaneState]
	readable, messages, lanes, oldest *prometheus.Desc
}

// NewLaneCollector returns a collector over a function that reads the lanes by
// name.
func NewLaneCollector(read func(ctx context.Context) (map[string]LaneState, error)) *LaneCollector {
	desc := func(subsystem, name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, labels, nil)
	}
	return &LaneCollector{
		read: newBounded(read),
		readable: desc("messages", "readable",
			"Whether this scrape could count messages; without it mms_messages and mms_lane_* are absent."),
		messages: desc("", "messages", "Messages by state, for states that are neither sent nor final.", "status"),
		lanes:    desc("lane", "messages", "Messages by lane and state, for states that are neither sent nor final.", "lane", "state"),
		oldest: desc("lane", "oldest_seconds",
			"Seconds since the longest-waiting message of the lane was accepted or due, whatever defers it; 0: none waits.",
			"lane"),
	}
}

// Describe implements prometheus.Collector.
func (c *LaneCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.readable, c.messages, c.lanes, c.oldest} {
		descs <- desc
	}
}

// Collect reads the lanes within ScrapeTimeout.
func (c *LaneCollector) Collect(metrics chan<- prometheus.Metric) {
	lanes, err := c.read.get()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}

	gauge(c.readable, truth(err == nil))

	if err != nil {
		return
	}

	sums := make(map[string]int64)

	for lane, state := range lanes {
		gauge(c.oldest, state.Oldest.Seconds(), lane)

		for status, n := range state.Messages {
			gauge(c.lanes, float64(n), lane, status)

			sums[status] += n
		}
	}

	for status, n := range sums {
		gauge(c.messages, float64(n), status)
	}
}

func truth(value bool) float64 {
	if value {
		return 1
	}
	return 0
}

// bounded bounds a read that may hang, because asynq's inspector has no context:
// the caller waits a bounded time, and no read begins while an earlier one hangs,
// so that scrapes of a frozen Redis do not pile up.
type bounded[T any] struct {
	readFunc func(ctx context.Context) (T, error)
	reading  chan struct{} // holds an element while a read is under way
}

func newBounded[T any](readFunc func(ctx context.Context) (T, error)) *bounded[T] {
	return &bounded[T]{readFunc: readFunc, reading: make(chan struct{}, 1)}
}

func (b *bounded[T]) get() (T, error) {
	type answer struct {
		value T
		err   error
	}

	ctx, cancel := context.WithTimeout(context.Background(), ScrapeTimeout)
	defer cancel()

	var nothing T

	select {
	case b.reading <- struct{}{}:
	case <-ctx.Done():
		return nothing, fmt.Errorf("an earlier read hangs: %w", ctx.Err())
	}

	answers := make(chan answer, 1)

	go func() {
		defer func() { <-b.reading }()

		value, err := b.readFunc(ctx)
		answers <- answer{value, err}
	}()

	select {
	case got := <-answers:
		return got.value, got.err
	case <-ctx.Done():
		return nothing, fmt.Errorf("read for metrics: %w", ctx.Err())
	}
}
