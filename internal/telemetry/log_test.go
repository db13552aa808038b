package telemetry_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

var _ asynq.Logger = (*telemetry.AsynqLogger)(nil)

func lines(out *bytes.Buffer) []string {
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func fields(tb testing.TB, line string) map[string]string {
	tb.Helper()

	var got map[string]string
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		tb.Fatalf("line %q: %v", line, err)
	}
	return got
}

func TestLogger(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	log, err := telemetry.NewLogger(telemetry.LogOptions{Level: "info", Format: "json", Process: "worker", Writer: &out})
	if err != nil {
		t.Fatal(err)
	}

	log.Debug().Msg("not this")
	log.Info().Str("lane", "high").Msg("this")

	got := fields(t, lines(&out)[0])
	if len(lines(&out)) != 1 || got["message"] != "this" || got["process"] != "worker" || got["lane"] != "high" || got["level"] != "info" {
		t.Errorf("written: %s", out.String())
	}

	at, err := time.Parse("2006-01-02T15:04:05.000Z", got["time"])
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %q: %v", got["time"], err)
	}
}

func TestConsoleLogger(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	log, err := telemetry.NewLogger(telemetry.LogOptions{Level: "debug", Format: "console", Process: "api", Writer: &out})
	if err != nil {
		t.Fatal(err)
	}

	log.Debug().Msg("ready")

	text := out.String()
	if !strings.Contains(text, "DBG ready") || !strings.Contains(text, "process=api") || strings.Contains(text, "\x1b") || strings.Contains(text, "<nil>") {
		t.Errorf("written: %q", text)
	}
}

func TestLoggerRefusesUnknownLevel(t *testing.T) {
	t.Parallel()

	if _, err := telemetry.NewLogger(telemetry.LogOptions{Level: "loud"}); err == nil {
		t.Error("taken")
	}
}

func TestRedisLoggerScrubsCountsAndSamples(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	log, err := telemetry.NewLogger(telemetry.LogOptions{Level: "info", Writer: &out})
	if err != nil {
		t.Fatal(err)
	}

	const repeats = 500

	metrics := telemetry.NewMetrics(telemetry.Build{})
	logger := telemetry.NewRedisLogger(log, metrics.Redis, loud)

	for range repeats {
		logger.Printf(t.Context(), "dial %s failed\n", "redis://:hunter2@10.0.0.1:6379/0?password=hunter3")
	}

	if strings.Contains(out.String(), "hunter") || len(lines(&out)) >= repeats/10 {
		t.Errorf("%d lines written: %s", len(lines(&out)), lines(&out)[0])
	}

	got := fields(t, lines(&out)[0])
	if got["message"] != "dial redis://[redacted]@10.0.0.1:6379/0?[redacted] failed" || got["level"] != "warn" || got["library"] != "redis" {
		t.Errorf("written: %v", got)
	}

	want := "# HELP mms_redis_client_log_lines_total Log lines of the Redis client, written or suppressed.\n" +
		"# TYPE mms_redis_client_log_lines_total counter\nmms_redis_client_log_lines_total 500\n"
	if err := testutil.GatherAndCompare(metrics.Registry, strings.NewReader(want), "mms_redis_client_log_lines_total"); err != nil {
		t.Error(err)
	}
}

func loud() bool { return false }

func TestAsynqLogger(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	log, err := telemetry.NewLogger(telemetry.LogOptions{Level: "debug", Writer: &out})
	if err != nil {
		t.Fatal(err)
	}

	logger := telemetry.NewAsynqLogger(log, loud)
	logger.Debug("queues are empty")
	logger.Info("Starting processing")
	logger.Warn("task for ", "+12065551212")
	logger.Error("failed")
	logger.Fatal("and goes on")

	want := [][2]string{{"debug", "queues are empty"}, {"debug", "Starting processing"}, {"warn", "task for [number]"}, {"error", "failed"}, {"error", "and goes on"}}

	written := lines(&out)
	if len(written) != len(want) {
		t.Fatalf("written: %s", out.String())
	}

	for i, line := range written {
		if got := fields(t, line); got["level"] != want[i][0] || got["message"] != want[i][1] || got["library"] != "asynq" {
			t.Errorf("line %d: %v", i, got)
		}
	}
}

func TestStdLogger(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	log, err := telemetry.NewLogger(telemetry.LogOptions{Level: "info", Writer: &out})
	if err != nil {
		t.Fatal(err)
	}

	telemetry.NewStdLogger(log, "net/http").Printf("panic serving +12065551212: %d\ngoroutine 1", 7)

	got := fields(t, lines(&out)[0])
	if got["level"] != "warn" || got["library"] != "net/http" || got["message"] != "panic serving [number]: 7\ngoroutine 1" {
		t.Errorf("written: %v", got)
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"dial tcp 127.0.0.1:6379: connect: connection refused": "dial tcp 127.0.0.1:6379: connect: connection refused",
		"rediss://u:p@ss/w?x@h:1":                              "rediss://[redacted]@h:1",
		"GET https://m.example/a.jpg?sig=abc: timeout":         "GET https://m.example/a.jpg?[redacted] timeout",
		"to +12065551212 and 447700900123":                     "to [number] and [number]",
		"why? because 123456":                                  "why? because 123456",
		strings.Repeat("é", 4096):                              strings.Repeat("é", 2048) + "…",
		"x" + strings.Repeat("é", 4096):                        "x" + strings.Repeat("é", 2047) + "…",
	} {
		if got := telemetry.Scrub(text); got != want {
			t.Errorf("Scrub(%.60q) = %.60q, want %.60q", text, got, want)
		}
	}
}
