package telemetry_test

import (
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"mmsdispatch/internal/telemetry"
)

// scrape returns the sample lines of our metrics, as Prometheus reads them.
func scrape(tb testing.TB, gatherer prometheus.Gatherer) string {
	tb.Helper()

	answer := httptest.NewRecorder()
	promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequestWithContext(tb.Context(), "GET", "/metrics", nil))

	samples := regexp.MustCompile(`(?m)^mms_.*$`).FindAllString(answer.Body.String(), -1)
	return strings.Join(samples, "\n") + "\n"
}

func wantSamples(tb testing.TB, gatherer prometheus.Gatherer, want ...string) {
	tb.Helper()

	got := scrape(tb, gatherer)
	for _, sample := range want {
		if !strings.Contains(got, sample+"\n") {
			tb.Errorf("no sample %q in:\n%s", sample, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	m := telemetry.NewMetrics(telemetry.Build{Process: "api", Version: "v1", Revision: "abc"})

	m.HTTP.Observe("POST", "/v1/messages", 202, 3*time.Millisecond)
	m.HTTP.Observe("BREW", "", 404, time.Millisecond)
	m.Accept.Accepted("bulk", 500)
	m.Accept.Duplicate("bulk", 2)
	m.Accept.Rejected("high", 1)
	m.Attempts.Observe("mms", "accepted", 300*time.Millisecond)
	m.Attempts.SetBreaker(true)
	m.Media.Checked("media_mismatch", 30*time.Millisecond)
	m.Media.Reused()
	m.Messages.Moved("queued", "sending")
	m.OptOuts.OptedOut("inbound")
	m.OptOuts.OptedIn("api")
	m.OptOuts.Suppressed()
	m.Receipts.Received("mms", "applied")
	m.Webhooks.Refused("batches", "hmac")
	m.Sweep.Recovered("orphan", 3)
	m.Sweep.Round(time.UnixMilli(1_700_000_000_250), nil)
	m.Sweep.Round(time.UnixMilli(1_800_000_000_000), errors.New("redis is down"))
	m.Redis.SetWarnings("eviction", "no_aof")
	m.Redis.SetWarnings("no_aof")
	m.Saved.Saved("used")
	m.Clock.Redis(-1500 * time.Millisecond)
	m.Clock.Sinch(2 * time.Second)

	wantSamples(t, m.Registry,
		`mms_http_requests_total{method="POST",route="/v1/messages",status="202"} 1`,
		`mms_http_requests_total{method="other",route="none",status="404"} 1`,
		`mms_http_request_duration_seconds_bucket{method="POST",route="/v1/messages",le="0.0025"} 0`,
		`mms_http_request_duration_seconds_bucket{method="POST",route="/v1/messages",le="0.005"} 1`,
		`mms_accepted_messages_total{lane="bulk",result="accepted"} 500`,
		`mms_accepted_messages_total{lane="bulk",result="duplicate"} 2`,
		`mms_accepted_messages_total{lane="high",result="rejected"} 1`,
		`mms_attempts_total{api="mms",outcome="accepted"} 1`,
		`mms_attempt_duration_seconds_sum{api="mms",outcome="accepted"} 0.3`,
		`mms_breaker_open 1`,
		`mms_media_checks_total{result="media_mismatch"} 1`,
		`mms_media_check_duration_seconds_bucket{le="0.05"} 1`,
		`mms_media_verdicts_reused_total 1`,
		`mms_message_transitions_total{from="queued",to="sending"} 1`,
		`mms_opt_outs_total{change="added",source="inbound"} 1`,
		`mms_opt_outs_total{change="removed",source="api"} 1`,
		`mms_suppressed_messages_total 1`,
		`mms_receipts_total{result="applied",shape="mms"} 1`,
		`mms_webhook_auth_failures_total{check="hmac",shape="batches"} 1`,
		`mms_sweeper_recoveries_total{kind="orphan"} 3`,
		`mms_sweeper_rounds_total{result="ok"} 1`,
		`mms_sweeper_rounds_total{result="failed"} 1`,
		`mms_sweeper_last_success_timestamp_seconds 1.70000000025e+09`,
		`mms_redis_warning{kind="no_aof"} 1`,
		`mms_saved_media_total{event="used"} 1`,
		`mms_clock_skew_seconds{against="redis"} -1.5`,
		`mms_clock_skew_seconds{against="sinch"} 2`,
	)

	got := scrape(t, m.Registry)
	if strings.Contains(got, "BREW") || strings.Contains(got, `kind="eviction"`) {
		t.Errorf("scrape:\n%s", got)
	}

	if !regexp.MustCompile(`mms_build_info\{go="go[^"]+",process="api",revision="abc",version="v1"\} 1`).MatchString(got) {
		t.Errorf("no build in:\n%s", got)
	}

	problems, err := testutil.GatherAndLint(m.Registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// Two processes in one (dev, tests) do not share anything.
func TestMetricsAreNotGlobal(t *testing.T) {
	t.Parallel()

	one, other := telemetry.NewMetrics(telemetry.Build{}), telemetry.NewMetrics(telemetry.Build{})
	one.Messages.Moved("queued", "sending")

	if got := scrape(t, other.Registry); strings.Contains(got, "transitions") {
		t.Errorf("the other has:\n%s", got)
	}
}

func TestReadBuild(t *testing.T) {
	t.Parallel()

	build := telemetry.ReadBuild("worker")
	if build.Process != "worker" || build.Version == "" || build.Revision == "" {
		t.Errorf("build = %+v", build)
	}
}
