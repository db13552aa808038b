package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unknownCollector reads the age of unknown messages at each scrape.
type unknownCollector struct {
	read   func(ctx context.Context) (time.Duration, error)
	oldest *prometheus.Desc
}

// NewUnknownCollector makes a collector of the age of the oldest message of unknown
// outcome.
func NewUnknownCollector(read func(ctx context.Context) (time.Duration, error)) prometheus.Collector {
	return &unknownCollector{read: read, oldest: prometheus.NewDesc(prometheus.BuildFQName(namespace, "unknown", "oldest_seconds"),
		"Time since the oldest live message of unknown outcome was accepted, of tenants that have an API key; 0: there is none.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (c *unknownCollector) Describe(to chan<- *prometheus.Desc) { to <- c.oldest }

// Collect implements prometheus.Collector. Nothing is reported while Redis does not
// answer.
func (c *unknownCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ScrapeTimeout)
	defer cancel()
	oldest, err := c.read(ctx)
	if err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, oldest.Seconds())
}
