package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CallbackMetrics are about status callbacks.
type CallbackMetrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	disabled *prometheus.CounterVec
}

func newCallbackMetrics(with factory) *CallbackMetrics {
	return &CallbackMetrics{
		attempts: with.counter("callback_attempts_total",
			"Attempts to deliver a callback, by outcome: delivered, retry or failed.", "outcome"),
		duration: with.histogram("callback_attempt_duration_seconds", "Time of an attempt to deliver a callback.",
			[]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30}, "outcome"),
		disabled: with.counter("callbacks_disabled_total", "Callbacks that were disabled because their endpoint failed."),
	}
}

// Attempted counts an attempt.
func (m *CallbackMetrics) Attempted(outcome string, took time.Duration) {
	m.attempts.WithLabelValues(outcome).Inc()
	m.duration.WithLabelValues(outcome).Observe(took.Seconds())
}

// Disabled counts a callback that was disabled.
func (m *CallbackMetrics) Disabled() { m.disabled.WithLabelValues().Inc() }

// CallbackBacklog is what waits to be delivered.
type CallbackBacklog struct {
	Changed int64         // messages whose changes are not yet events
	Behind  time.Duration // for how long the first of them has waited
	Pending int64         // deliveries
	Late    time.Duration // for how long the first of them has been due
}

// callbackCollector reads the backlog at each scrape.
type callbackCollector struct {
	read                           func(ctx context.Context) (CallbackBacklog, error)
	changed, behind, pending, late *prometheus.Desc
}

// NewCallbackCollector makes a collector of the backlog of callbacks.
func NewCallbackCollector(read func(ctx context.Context) (CallbackBacklog, error)) prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
	}
	return &callbackCollector{
		read:    read,
		changed: describe("callback_changed_messages", "Messages whose changes are not yet events."),
		behind: describe("callback_changed_oldest_seconds",
			"For how long the first of the messages whose changes are not yet events has waited."),
		pending: describe("callback_deliveries_pending", "Deliveries of callbacks that are pending."),
		late:    describe("callback_delivery_late_seconds", "For how long the first delivery of a callback has been due."),
	}
}

// Describe implements prometheus.Collector.
func (c *callbackCollector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.changed, c.behind, c.pending, c.late} {
		to <- desc
	}
}

// Collect implements prometheus.Collector. Nothing is reported while Redis does not
// answer.
func (c *callbackCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ScrapeTimeout)
	defer cancel()
	b, err := c.read(ctx)
	if err != nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(c.changed, float64(b.Changed))
	gauge(c.behind, b.Behind.Seconds())
	gauge(c.pending, float64(b.Pending))
	gauge(c.late, b.Late.Seconds())
}
