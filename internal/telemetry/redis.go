package telemetry

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// RedisMetrics describes Redis as this process sees it.
type RedisMetrics struct {
	warnings *prometheus.GaugeVec
	lines    prometheus.Counter
	up       *prometheus.GaugeVec
	memory   *prometheus.GaugeVec
	duration *prometheus.HistogramVec
}

func newRedisMetrics(with factory) *RedisMetrics {
	return &RedisMetrics{
		warnings: with.gauge("redis_warning", "1 for each fault in the configuration of Redis, by kind.", "kind"),
		lines:    with.counter("redis_client_log_lines_total", "Log lines of the Redis client, written or suppressed.").WithLabelValues(),
		up:       with.gauge("redis_up", "Whether Redis answered the last check of this process, which is made every 2 s."),
		memory:   with.gauge("redis_memory_bytes", "Memory of Redis: used, and max, its limit (0: none).", "kind"),
		duration: with.histogram("redis_request_duration_seconds",
			"Time of a round trip to Redis, by kind (command, pipeline) and result (ok, failed). Commands that block are left out.",
			[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}, "kind", "result"),
	}
}

// SetWarnings replaces the kinds of faults of Redis.
func (m *RedisMetrics) SetWarnings(kinds ...string) {
	m.warnings.Reset()

	for _, kind := range kinds {
		m.warnings.WithLabelValues(kind).Set(1)
	}
}

// SetUp sets whether Redis answers.
func (m *RedisMetrics) SetUp(up bool) { m.up.WithLabelValues().Set(truth(up)) }

// SetMemory sets the memory of Redis, in bytes; most is 0 without a limit.
func (m *RedisMetrics) SetMemory(used, most uint64) {
	m.memory.WithLabelValues("used").Set(float64(used))
	m.memory.WithLabelValues("max").Set(float64(most))
}

func (m *RedisMetrics) logged() { m.lines.Inc() }

// Hook measures the round trips of a client.
func (m *RedisMetrics) Hook() redis.Hook {
	series := func(kind string) roundTrips {
		return roundTrips{ok: m.duration.WithLabelValues(kind, "ok"), failed: m.duration.WithLabelValues(kind, "failed")}
	}
	return redisHook{command: series("command"), pipeline: series("pipeline")}
}

type roundTrips struct{ ok, failed prometheus.Observer }

// observe counts a round trip. An error that Redis itself answers with is none of
// the round trip.
func (r roundTrips) observe(begun time.Time, err error) {
	if _, answered := errors.AsType[redis.Error](err); err == nil || answered {
		r.ok.Observe(time.Since(begun).Seconds())
		return
	}
	r.failed.Observe(time.Since(begun).Seconds())
}

type redisHook struct{ command, pipeline roundTrips }

// DialHook implements redis.Hook.
func (redisHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (h redisHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		begun := time.Now()
		err := next(ctx, cmd)
		if !blocks(cmd.Name()) {
			h.command.observe(begun, err)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h redisHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		begun := time.Now()
		err := next(ctx, cmds)
		h.pipeline.observe(begun, err)
		return err
	}
}

// blocks reports whether a command waits for something to happen.
func blocks(name string) bool {
	switch name {
	case "blpop", "brpop", "blmove", "bzpopmin", "xread", "xreadgroup", "wait", "subscribe", "psubscribe", "ssubscribe":
		return true
	default:
		return false
	}
}

// poolCollector reads the pool of connections at each scrape.
type poolCollector struct {
	read                         func() *redis.PoolStats
	connections, waits, timeouts *prometheus.Desc
}

// NewPoolCollector makes a collector of the connections of a client of Redis.
func NewPoolCollector(read func() *redis.PoolStats) prometheus.Collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "redis_pool", name), help, labels, nil)
	}
	return &poolCollector{
		read:        read,
		connections: describe("connections", "Connections to Redis by state (idle, used).", "state"),
		waits:       describe("waits_total", "Commands that waited for a connection to be free."),
		timeouts:    describe("timeouts_total", "Commands that failed because no connection became free in time."),
	}
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.connections, c.waits, c.timeouts} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.read()
	gauge := func(n uint32, state string) {
		to <- prometheus.MustNewConstMetric(c.connections, prometheus.GaugeValue, float64(n), state)
	}
	gauge(stats.IdleConns, "idle")
	gauge(stats.TotalConns-stats.IdleConns, "used")
	to <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(stats.WaitCount))
	to <- prometheus.MustNewConstMetric(c.timeouts, prometheus.CounterValue, float64(stats.Timeouts))
}
