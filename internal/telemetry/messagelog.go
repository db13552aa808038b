package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LogBacklog is what waits to be written to the long-term log.
type LogBacklog struct {
	Messages int64
	Lag      time.Duration // for how long the first of them has waited
}

// logCollector reads the backlog of the long-term log at each scrape.
type logCollector struct {
	read          func(ctx context.Context) (LogBacklog, error)
	messages, lag *prometheus.Desc
}

// NewLogCollector makes a collector of the backlog of the long-term log.
func NewLogCollector(read func(ctx context.Context) (LogBacklog, error)) prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
	}
	return &logCollector{
		read:     read,
		messages: describe("log_backlog", "Messages whose last change is not in the long-term log yet."),
		lag:      describe("log_lag_seconds", "For how long the first message that is not in the long-term log yet has waited."),
	}
}

// Describe implements prometheus.Collector.
func (c *logCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.messages
	to <- c.lag
}

// Collect implements prometheus.Collector. Nothing is reported while Redis does not
// answer.
func (c *logCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ScrapeTimeout)
	defer cancel()
	b, err := c.read(ctx)
	if err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(c.messages, prometheus.GaugeValue, float64(b.Messages))
	to <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, b.Lag.Seconds())
}
