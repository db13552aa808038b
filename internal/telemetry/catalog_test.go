package telemetry_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/telemetry"
)

//go:generate go test -run ^TestMetricsPage$ -update .

var update = flag.Bool("update", false, "rewrite the generated documents")

// installation is what the collectors read.
type installation struct {
	queues    asynq.QueueInfo
	lanes     telemetry.LaneState
	callbacks telemetry.CallbackBacklog
	log       telemetry.LogBacklog
	pool      redis.PoolStats
	unknown   time.Duration
	down      bool // Redis
}

// Queues implements telemetry.QueueReader.
func (i *installation) Queues() ([]string, error) {
	if i.down {
		return nil, errors.New("down")
	}
	return []string{"normal"}, nil
}

// GetQueueInfo implements telemetry.QueueReader.
func (i *installation) GetQueueInfo(queue string) (*asynq.QueueInfo, error) {
	info := i.queues
	info.Queue = queue
	return &info, nil
}

func (i *installation) err() error {
	if i.down {
		return errors.New("down")
	}
	return nil
}

// newCatalog has every metric that a process of any kind exports.
func newCatalog(i *installation) *telemetry.Metrics {
	m := telemetry.NewMetrics(telemetry.Build{Process: "worker", Version: "v1"})
	m.Registry.MustRegister(
		telemetry.NewQueueCollector(i, "normal"),
		telemetry.NewLaneCollector(func(context.Context) (map[string]telemetry.LaneState, error) {
			return map[string]telemetry.LaneState{"normal": i.lanes}, i.err()
		}),
		telemetry.NewCallbackCollector(func(context.Context) (telemetry.CallbackBacklog, error) { return i.callbacks, i.err() }),
		telemetry.NewLogCollector(func(context.Context) (telemetry.LogBacklog, error) { return i.log, i.err() }),
		telemetry.NewUnknownCollector(func(context.Context) (time.Duration, error) { return i.unknown, i.err() }),
		telemetry.NewPoolCollector(func() *redis.PoolStats { return &i.pool }),
	)
	return m
}

// moves are, for each metric, what changes it. A metric without one fails the test.
func moves() map[string]func(m *telemetry.Metrics, i *installation) {
	type metrics = telemetry.Metrics
	type inst = installation
	return map[string]func(m *metrics, i *inst){
		"mms_accepted_messages_total":           func(m *metrics, _ *inst) { m.Accept.Accepted("bulk", 2) },
		"mms_account_paused":                    func(m *metrics, _ *inst) { m.Attempts.SetAccountPaused(true, "E104") },
		"mms_attempt_duration_seconds":          func(m *metrics, _ *inst) { m.Attempts.Observe("mms", "accepted", time.Second) },
		"mms_attempt_failures_total":            func(m *metrics, _ *inst) { m.Attempts.Failed("mms", "refused", "media", "E205") },
		"mms_attempts_total":                    func(m *metrics, _ *inst) { m.Attempts.Observe("mms", "accepted", time.Second) },
		"mms_breaker_open":                      func(m *metrics, _ *inst) { m.Attempts.SetBreaker(true) },
		"mms_breaker_opened_total":              func(m *metrics, _ *inst) { m.Attempts.SetBreaker(true) },
		"mms_build_info":                        nil, // always 1
		"mms_callback_attempt_duration_seconds": func(m *metrics, _ *inst) { m.Callbacks.Attempted("retry", time.Second) },
		"mms_callback_attempts_total":           func(m *metrics, _ *inst) { m.Callbacks.Attempted("retry", time.Second) },
		"mms_callback_changed_messages":         func(_ *metrics, i *inst) { i.callbacks.Changed = 7 },
		"mms_callback_changed_oldest_seconds":   func(_ *metrics, i *inst) { i.callbacks.Behind = time.Minute },
		"mms_callback_deliveries_pending":       func(_ *metrics, i *inst) { i.callbacks.Pending = 7 },
		"mms_callback_delivery_late_seconds":    func(_ *metrics, i *inst) { i.callbacks.Late = time.Minute },
		"mms_callbacks_disabled_total":          func(m *metrics, _ *inst) { m.Callbacks.Disabled() },
		"mms_clock_skew_seconds":                func(m *metrics, _ *inst) { m.Clock.Redis(time.Second) },
		"mms_http_request_duration_seconds":     func(m *metrics, _ *inst) { m.HTTP.Observe("POST", "/v1/messages", 202, time.Second) },
		"mms_http_requests_in_flight":           func(m *metrics, _ *inst) { m.HTTP.Began() },
		"mms_http_requests_total":               func(m *metrics, _ *inst) { m.HTTP.Observe("POST", "/v1/messages", 202, time.Second) },
		"mms_lane_messages":                     func(_ *metrics, i *inst) { i.lanes.Messages = map[string]int64{"queued": 3} },
		"mms_lane_oldest_seconds":               func(_ *metrics, i *inst) { i.lanes.Oldest = time.Minute },
		"mms_limiter_denied_total":              func(m *metrics, _ *inst) { m.Limiter.Denied("pace", time.Second) },
		"mms_limiter_wait_seconds":              func(m *metrics, _ *inst) { m.Limiter.Granted(time.Millisecond) },
		"mms_log_backlog":                       func(_ *metrics, i *inst) { i.log.Messages = 7 },
		"mms_log_lag_seconds":                   func(_ *metrics, i *inst) { i.log.Lag = time.Minute },
		"mms_media_check_duration_seconds":      func(m *metrics, _ *inst) { m.Media.Checked("ok", time.Second) },
		"mms_media_checks_total":                func(m *metrics, _ *inst) { m.Media.Checked("ok", time.Second) },
		"mms_media_fit_duration_seconds":        func(m *metrics, _ *inst) { m.Media.Fitted("converted", time.Second) },
		"mms_media_fits_total":                  func(m *metrics, _ *inst) { m.Media.Fitted("converted", time.Second) },
		"mms_media_store_bytes":                 func(m *metrics, _ *inst) { m.Media.SetStored(4096) },
		"mms_media_verdicts_reused_total":       func(m *metrics, _ *inst) { m.Media.Reused() },
		"mms_message_delivered_seconds":         func(m *metrics, _ *inst) { m.Flow.Delivered("high", time.Second) },
		"mms_message_sent_seconds":              func(m *metrics, _ *inst) { m.Flow.Sent("high", time.Second) },
		"mms_message_transitions_total":         func(m *metrics, _ *inst) { m.Messages.Moved("new", "queued") },
		"mms_messages":                          func(_ *metrics, i *inst) { i.lanes.Messages = map[string]int64{"unknown": 3} },
		"mms_messages_readable":                 func(_ *metrics, i *inst) { i.down = true },
		"mms_opt_outs_total":                    func(m *metrics, _ *inst) { m.OptOuts.OptedOut("api") },
		"mms_queue_failed_total":                func(_ *metrics, i *inst) { i.queues.FailedTotal = 7 },
		"mms_queue_memory_bytes":                func(_ *metrics, i *inst) { i.queues.MemoryUsage = 7 },
		"mms_queue_paused":                      func(_ *metrics, i *inst) { i.queues.Paused = true },
		"mms_queue_processed_total":             func(_ *metrics, i *inst) { i.queues.ProcessedTotal = 7 },
		"mms_queue_readable":                    func(_ *metrics, i *inst) { i.down = true },
		"mms_queue_tasks":                       func(_ *metrics, i *inst) { i.queues.Retry = 7 },
		"mms_queue_wait_seconds":                func(m *metrics, _ *inst) { m.Flow.Waited("high", time.Second) },
		"mms_receipts_total":                    func(m *metrics, _ *inst) { m.Receipts.Received("mms", "applied") },
		"mms_redis_client_log_lines_total": func(m *metrics, _ *inst) {
			telemetry.NewRedisLogger(zerolog.Nop(), m.Redis, func() bool { return true }).Printf(context.Background(), "dial")
		},
		"mms_redis_memory_bytes":        func(m *metrics, _ *inst) { m.Redis.SetMemory(1000, 2000) },
		"mms_redis_pool_connections":    func(_ *metrics, i *inst) { i.pool.TotalConns = 7 },
		"mms_redis_pool_timeouts_total": func(_ *metrics, i *inst) { i.pool.Timeouts = 7 },
		"mms_redis_pool_waits_total":    func(_ *metrics, i *inst) { i.pool.WaitCount = 7 },
		"mms_redis_request_duration_seconds": func(m *metrics, _ *inst) {
			run := m.Redis.Hook().ProcessHook(func(context.Context, redis.Cmder) error { return nil })
			_ = run(context.Background(), redis.NewCmd(context.Background(), "get", "x"))
		},
		"mms_redis_up":                               func(m *metrics, _ *inst) { m.Redis.SetUp(true) },
		"mms_redis_warning":                          func(m *metrics, _ *inst) { m.Redis.SetWarnings("no_aof") },
		"mms_saved_media_total":                      func(m *metrics, _ *inst) { m.Saved.Saved("used") },
		"mms_suppressed_messages_total":              func(m *metrics, _ *inst) { m.OptOuts.Suppressed() },
		"mms_sweeper_last_success_timestamp_seconds": func(m *metrics, _ *inst) { m.Sweep.Round(time.Now(), nil) },
		"mms_sweeper_recoveries_total":               func(m *metrics, _ *inst) { m.Sweep.Recovered("orphan", 1) },
		"mms_sweeper_rounds_total":                   func(m *metrics, _ *inst) { m.Sweep.Round(time.Now(), nil) },
		"mms_tenant_transitions_total":               func(m *metrics, _ *inst) { m.Flow.OfTenant("acme", "sent") },
		"mms_unknown_oldest_seconds":                 func(_ *metrics, i *inst) { i.unknown = time.Hour },
		"mms_webhook_auth_failures_total":            func(m *metrics, _ *inst) { m.Webhooks.Refused("mms", "token") },
	}
}

var fqName = regexp.MustCompile(`fqName: "(mms_[a-z0-9_]+)"`)

// registered are the names of all metrics of this service.
func registered(r *prometheus.Registry) []string {
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); r.Describe(descs) }()
	names := make(map[string]bool)
	for desc := range descs {
		if name := fqName.FindStringSubmatch(desc.String()); name != nil {
			names[name[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// family gathers one metric; empty: it has no series yet.
func family(t *testing.T, r *prometheus.Registry, name string) string {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.String()
		}
	}
	return ""
}

// Each metric has something that changes it, which this test sees.
func TestEveryMetricMoves(t *testing.T) {
	t.Parallel()
	known := moves()
	names := registered(newCatalog(&installation{}).Registry)
	for _, name := range names {
		move, listed := known[name]
		if !listed {
			t.Errorf("%s has no entry in moves", name)
		}
		if move == nil {
			continue
		}
		i := &installation{}
		m := newCatalog(i)
		before := family(t, m.Registry, name)
		move(m, i)
		if after := family(t, m.Registry, name); after == before || after == "" {
			t.Errorf("%s does not move: %s", name, after)
		}
	}
	for name := range known {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not registered", name)
		}
	}
}

// Labels that come from callers or from Sinch do not make series without end.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := newCatalog(&installation{})
	for n := range 500 {
		m.Flow.OfTenant(fmt.Sprintf("tenant%d", n), "sent")
		m.Attempts.Failed("mms", "refused", "carrier", fmt.Sprintf("E%d", n))
	}
	m.Attempts.Failed("mms", "refused", "carrier", "call +12065551212")
	for _, name := range []string{"mms_tenant_transitions_total", "mms_attempt_failures_total"} {
		got := family(t, m.Registry, name)
		if n := strings.Count(got, "metric:"); n != 101 || !strings.Contains(got, `"other"`) || strings.Contains(got, "2065551212") {
			t.Errorf("%s has %d series", name, n)
		}
	}
}

// A round trip that fails is told from one that Redis answers with an error, and a
// command that blocks is left out.
func TestRoundTripsOfRedis(t *testing.T) {
	t.Parallel()
	m := newCatalog(&installation{})
	ctx := t.Context()
	answer := func(err error) redis.ProcessHook {
		return m.Redis.Hook().ProcessHook(func(context.Context, redis.Cmder) error { return err })
	}
	_ = answer(redis.Nil)(ctx, redis.NewCmd(ctx, "get", "x"))
	_ = answer(errors.New("connection refused"))(ctx, redis.NewCmd(ctx, "get", "x"))
	_ = answer(nil)(ctx, redis.NewCmd(ctx, "blpop", "x", "0"))
	pipeline := m.Redis.Hook().ProcessPipelineHook(func(context.Context, []redis.Cmder) error { return nil })
	_ = pipeline(ctx, nil)
	wantSamples(t, m.Registry,
		`mms_redis_request_duration_seconds_count{kind="command",result="ok"} 1`,
		`mms_redis_request_duration_seconds_count{kind="command",result="failed"} 1`,
		`mms_redis_request_duration_seconds_count{kind="pipeline",result="ok"} 1`,
	)
}

const (
	metricsPage  = "../../docs/metrics.md"
	metricsBegin = "<!-- generated from internal/telemetry: begin -->\n"
	metricsEnd   = "<!-- generated from internal/telemetry: end -->\n"
)

// metricsTable lists every metric after all have moved.
func metricsTable(t *testing.T) string {
	t.Helper()
	i := &installation{}
	m := newCatalog(i)
	for _, move := range moves() {
		if move != nil {
			move(m, i)
		}
	}
	i.down = false
	all, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, f := range all {
		if !strings.HasPrefix(f.GetName(), "mms_") {
			continue
		}
		var names []string
		for _, label := range f.GetMetric()[0].GetLabel() {
			names = append(names, "`"+label.GetName()+"`")
		}
		kind := strings.ToLower(dto.MetricType_name[int32(f.GetType())])
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.GetName(), kind, strings.Join(names, " "), f.GetHelp())
	}
	return table.String()
}

// The page lists every metric as the code has it.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), metricsBegin)
	_, after, ends := strings.Cut(rest, metricsEnd)
	if !begins || !ends {
		t.Fatal("docs/metrics.md has lost its markers")
	}
	want := before + metricsBegin + metricsTable(t) + metricsEnd + after
	if *update {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/metrics.md is out of date; run go generate ./internal/telemetry (-want +got):\n%s", diff)
	}
}

var usedMetric = regexp.MustCompile(`\bmms_[a-z0-9_]+`)

// Dashboards, alerts, autoscaling and pages name no metric that does not exist.
func TestUsedMetricsExist(t *testing.T) {
	t.Parallel()
	names := registered(newCatalog(&installation{}).Registry)
	used := 0
	for _, root := range []string{"../../deploy/grafana/dashboards", "../../deploy/prometheus", "../../deploy/kubernetes", "../../docs/runbook.md"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, name := range usedMetric.FindAllString(string(text), -1) {
				if name == "mms_live_" || name == "mms_test_" {
					continue // keys
				}
				used++
				plain := name
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					plain = strings.TrimSuffix(plain, suffix)
				}
				if !slices.Contains(names, name) && !slices.Contains(names, plain) {
					t.Errorf("%s uses %s, which does not exist", path, name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if used == 0 {
		t.Error("no metric is used")
	}
}
