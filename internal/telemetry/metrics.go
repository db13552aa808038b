package telemetry

import (
	"cmp"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// namespace begins the name of every metric of ours.
const namespace = "mms"

// version is what a release calls itself. The linker sets it, because a build
// without its repository, as in a container, leaves nothing else to read:
// -ldflags "-X mmsdispatch/internal/telemetry.version=v1.2.3".
var version string

// Build says what is running.
type Build struct {
	Process  string
	Version  string
	Revision string
}

// ReadBuild finds out what was built, as far as the Go tool recorded it.
func ReadBuild(process string) Build {
	build := Build{Process: process, Version: cmp.Or(version, "unknown"), Revision: "unknown"}

	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build
	}

	build.Version = cmp.Or(version, info.Main.Version, "unknown")

	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			build.Revision = setting.Value
		}
	}

	return build
}

// Metrics are the metrics of one process, in a registry of their own.
type Metrics struct {
	Registry *prometheus.Registry

	Accept    *AcceptMetrics
	Attempts  *AttemptMetrics
	Callbacks *CallbackMetrics
	Clock     *ClockMetrics
	HTTP      *HTTPMetrics
	Media     *MediaMetrics
	Messages  *MessageMetrics
	OptOuts   *OptOutMetrics
	Receipts  *ReceiptMetrics
	Redis     *RedisMetrics
	Saved     *SavedMetrics
	Sweep     *SweepMetrics
	Webhooks  *WebhookMetrics
}

// NewMetrics makes the metrics of a process.
func NewMetrics(build Build) *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)

	with := factory{registry}
	with.gauge("build_info", "What is running; always 1.", "process", "version", "revision", "go").
		WithLabelValues(build.Process, build.Version, build.Revision, runtime.Version()).Set(1)

	return &Metrics{
		Registry:  registry,
		Accept:    newAcceptMetrics(with),
		Attempts:  newAttemptMetrics(with),
		Callbacks: newCallbackMetrics(with),
		Clock:     newClockMetrics(with),
		HTTP:      newHTTPMetrics(with),
		Media:     newMediaMetrics(with),
		Messages:  newMessageMetrics(with),
		OptOuts:   newOptOutMetrics(with),
		Receipts:  newReceiptMetrics(with),
		Redis:     newRedisMetrics(with),
		Saved:     newSavedMetrics(with),
		Sweep:     newSweepMetrics(with),
		Webhooks:  newWebhookMetrics(with),
	}
}

// factory makes metrics and registers them.
type factory struct{ registry *prometheus.Registry }

func (f factory) counter(name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.registry.MustRegister(vec)

	return vec
}

func (f factory) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.registry.MustRegister(vec)

	return vec
}

func (f factory) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	vec := prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	f.registry.MustRegister(vec)

	return vec
}

// HTTPMetrics are about requests to the public listener.
type HTTPMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newHTTPMetrics(with factory) *HTTPMetrics {
	return &HTTPMetrics{
		requests: with.counter("http_requests_total", "Requests by method, route and status.", "method", "route", "status"),
		duration: with.histogram("http_request_duration_seconds", "Time until a request was answered.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "method", "route"),
	}
}

// Observe counts a request. The route is the template, never the path; it is
// empty when there was none. A method nobody serves counts as other, so that a
// caller cannot make up series.
func (m *HTTPMetrics) Observe(method, route string, status int, took time.Duration) {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	if !slices.Contains(known, method) {
		method = "other"
	}

	if route == "" {
		route = "none"
	}

	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(method, route).Observe(took.Seconds())
}

// AcceptMetrics are about messages that callers hand over.
type AcceptMetrics struct{ messages *prometheus.CounterVec }

func newAcceptMetrics(with factory) *AcceptMetrics {
	return &AcceptMetrics{with.counter("accepted_messages_total",
		"Messages handed over, by lane and result (accepted, duplicate, rejected).", "lane", "result")}
}

// Accepted counts n new messages.
func (m *AcceptMetrics) Accepted(lane string, n int) { m.add(lane, "accepted", n) }

// Duplicate counts n messages that were there already.
func (m *AcceptMetrics) Duplicate(lane string, n int) { m.add(lane, "duplicate", n) }

// Rejected counts n messages that were refused.
func (m *AcceptMetrics) Rejected(lane string, n int) { m.add(lane, "rejected", n) }

func (m *AcceptMetrics) add(lane, result string, n int) {
	m.messages.WithLabelValues(lane, result).Add(float64(n))
}

// AttemptMetrics are about calls to Sinch.
type AttemptMetrics struct {
	attempts *prometheus.CounterVec
	breaker  prometheus.Gauge
	paused   *prometheus.GaugeVec
	duration *prometheus.HistogramVec
}

func newAttemptMetrics(with factory) *AttemptMetrics {
	return &AttemptMetrics{
		attempts: with.counter("attempts_total", "Calls to Sinch by API and outcome.", "api", "outcome"),
		breaker: with.gauge("breaker_open",
			"Whether this process holds its calls back, all but one at a time, because Sinch does not answer.").WithLabelValues(),
		paused: with.gauge("account_paused",
			"Whether calls wait because Sinch refuses the account, by Sinch's code.", "reason"),
		duration: with.histogram("attempt_duration_seconds", "Time a call to Sinch took.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30}, "api", "outcome"),
	}
}

// Observe counts a call.
func (m *AttemptMetrics) Observe(api, outcome string, took time.Duration) {
	m.attempts.WithLabelValues(api, outcome).Inc()
	m.duration.WithLabelValues(api, outcome).Observe(took.Seconds())
}

// SetBreaker says whether calls are held back.
func (m *AttemptMetrics) SetBreaker(open bool) { m.breaker.Set(truth(open)) }

// SetAccountPaused shows a pause of the account with Sinch's code, or that there
// is none.
func (m *AttemptMetrics) SetAccountPaused(paused bool, sinchCode string) {
	m.paused.Reset()
	m.paused.WithLabelValues(cmp.Or(sinchCode, "none")).Set(truth(paused))
}

// MediaMetrics are about checks of media before a call.
type MediaMetrics struct {
	checks   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	reused   prometheus.Counter
	fits     *prometheus.CounterVec
	fitting  *prometheus.HistogramVec
	stored   prometheus.Gauge
}

func newMediaMetrics(with factory) *MediaMetrics {
	return &MediaMetrics{
		checks: with.counter("media_checks_total", "Media whose hosts were asked, by result (ok, or the code of what is wrong).", "result"),
		duration: with.histogram("media_check_duration_seconds", "Time a media host took to answer.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5}),
		reused: with.counter("media_verdicts_reused_total", "Media whose hosts another check had asked before.").WithLabelValues(),
		fits:   with.counter("media_fits_total", "Media that were made to fit, by result (unchanged, stripped, converted, or the code of what is wrong).", "result"),
		fitting: with.histogram("media_fit_duration_seconds", "Time to fetch, convert and store a media.",
			[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40}),
		stored: with.gauge("media_store_bytes", "Size of all media in the store.").WithLabelValues(),
	}
}

// Checked counts a check that asked the host.
func (m *MediaMetrics) Checked(result string, took time.Duration) {
	m.checks.WithLabelValues(result).Inc()
	m.duration.WithLabelValues().Observe(took.Seconds())
}

// Fitted counts a media that was made to fit, or could not be.
func (m *MediaMetrics) Fitted(result string, took time.Duration) {
	m.fits.WithLabelValues(result).Inc()
	m.fitting.WithLabelValues().Observe(took.Seconds())
}

// SetStored sets the size of all media in the store.
func (m *MediaMetrics) SetStored(bytes int64) { m.stored.Set(float64(bytes)) }

// Reused counts a verdict that was known.
func (m *MediaMetrics) Reused() { m.reused.Inc() }

// MessageMetrics are about the states of messages.
type MessageMetrics struct{ transitions *prometheus.CounterVec }

func newMessageMetrics(with factory) *MessageMetrics {
	return &MessageMetrics{with.counter("message_transitions_total",
		"Changes of a message's state by the states before (new: it was accepted) and after.", "from", "to")}
}

// Moved counts a change of state.
func (m *MessageMetrics) Moved(from, to string) { m.transitions.WithLabelValues(from, to).Inc() }

// OptOutMetrics are about people who do not want messages.
type OptOutMetrics struct {
	changes    *prometheus.CounterVec
	suppressed prometheus.Counter
}

func newOptOutMetrics(with factory) *OptOutMetrics {
	return &OptOutMetrics{
		changes: with.counter("opt_outs_total",
			"Opt-outs by source (api, inbound, sinch) and change (added, repeated ones too, or removed).", "source", "change"),
		suppressed: with.counter("suppressed_messages_total",
			"Messages that were not sent because the recipient had opted out.").WithLabelValues(),
	}
}

// OptedOut counts an opt-out.
func (m *OptOutMetrics) OptedOut(source string) { m.changes.WithLabelValues(source, "added").Inc() }

// OptedIn counts the end of an opt-out.
func (m *OptOutMetrics) OptedIn(source string) { m.changes.WithLabelValues(source, "removed").Inc() }

// Suppressed counts a message that was not sent.
func (m *OptOutMetrics) Suppressed() { m.suppressed.Inc() }

// ReceiptMetrics are about receipts that were let in.
type ReceiptMetrics struct{ receipts *prometheus.CounterVec }

func newReceiptMetrics(with factory) *ReceiptMetrics {
	return &ReceiptMetrics{with.counter("receipts_total", "Receipts by shape (which API wrote it) and result.", "shape", "result")}
}

// Received counts a receipt.
func (m *ReceiptMetrics) Received(shape, result string) {
	m.receipts.WithLabelValues(shape, result).Inc()
}

// WebhookMetrics are about receipts that were not let in.
type WebhookMetrics struct{ refused *prometheus.CounterVec }

func newWebhookMetrics(with factory) *WebhookMetrics {
	return &WebhookMetrics{with.counter("webhook_auth_failures_total",
		"Receipts without valid credentials, by shape and the check that failed.", "shape", "check")}
}

// Refused counts a receipt whose credentials failed a check.
func (m *WebhookMetrics) Refused(shape, check string) { m.refused.WithLabelValues(shape, check).Inc() }

// SavedMetrics are about text and media that batches share and Sinch keeps.
type SavedMetrics struct{ events *prometheus.CounterVec }

func newSavedMetrics(with factory) *SavedMetrics {
	return &SavedMetrics{with.counter("saved_media_total",
		"What became of shared media saved at Sinch, by event (saved, ready, used by a message, spoilt, gone, not_ready, plain).", "event")}
}

// Saved counts an event.
func (m *SavedMetrics) Saved(event string) { m.events.WithLabelValues(event).Inc() }

// SweepMetrics count the messages that the sweeper finds and recovers.
type SweepMetrics struct {
	recoveries *prometheus.CounterVec
	rounds     *prometheus.CounterVec
	last       prometheus.Gauge
}

func newSweepMetrics(with factory) *SweepMetrics {
	return &SweepMetrics{
		recoveries: with.counter("sweeper_recoveries_total", "Recoveries by the sweeper, by kind.", "kind"),
		rounds:     with.counter("sweeper_rounds_total", "Rounds of the sweeper by result (ok, failed).", "result"),
		last: with.gauge("sweeper_last_success_timestamp_seconds",
			"When this process last swept without an error; 0 when it never did.").WithLabelValues(),
	}
}

// Recovered counts n recoveries of a kind.
func (m *SweepMetrics) Recovered(kind string, n int) {
	m.recoveries.WithLabelValues(kind).Add(float64(n))
}

// Round counts a round that ended at a time, with or without an error.
func (m *SweepMetrics) Round(at time.Time, err error) {
	if err != nil {
		m.rounds.WithLabelValues("failed").Inc()

		return
	}

	m.rounds.WithLabelValues("ok").Inc()
	m.last.Set(float64(at.UnixMilli()) / float64(time.Second/time.Millisecond))
}

// ClockMetrics are about clocks that differ.
type ClockMetrics struct{ skew *prometheus.GaugeVec }

func newClockMetrics(with factory) *ClockMetrics {
	return &ClockMetrics{with.gauge("clock_skew_seconds",
		"By how much this process' clock is ahead of Redis' (against=redis), and Redis' of Sinch's (against=sinch).", "against")}
}

// Redis sets by how much this process' clock is ahead of Redis'.
func (m *ClockMetrics) Redis(ahead time.Duration) {
	m.skew.WithLabelValues("redis").Set(ahead.Seconds())
}

// Sinch sets by how much Redis' clock is ahead of Sinch's, whose answers have whole
// seconds.
func (m *ClockMetrics) Sinch(ahead time.Duration) {
	m.skew.WithLabelValues("sinch").Set(ahead.Seconds())
}

// RedisMetrics are about Redis as this process sees it.
type RedisMetrics struct {
	warnings *prometheus.GaugeVec
	lines    prometheus.Counter
}

func newRedisMetrics(with factory) *RedisMetrics {
	return &RedisMetrics{
		warnings: with.gauge("redis_warning", "1 for what is wrong with the configuration of Redis, by kind.", "kind"),
		lines:    with.counter("redis_client_log_lines_total", "Lines the Redis client wanted to log, written or not.").WithLabelValues(),
	}
}

// SetWarnings replaces the kinds of what is wrong with Redis.
func (m *RedisMetrics) SetWarnings(kinds ...string) {
	m.warnings.Reset()

	for _, kind := range kinds {
		m.warnings.WithLabelValues(kind).Set(1)
	}
}

func (m *RedisMetrics) logged() { m.lines.Inc() }
