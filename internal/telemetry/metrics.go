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

// namespace begins the name of every metric of this service.
const namespace = "mms"

// version is the release. The linker sets it, because a build without its
// repository, as in a container, has no other source: -ldflags "-X
// mmsdispatch/internal/telemetry.version=v1.2.3".
var version string

// Build identifies the running program.
type Build struct {
	Process  string
	Version  string
	Revision string
}

// ReadBuild reads the build information of the Go tool.
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
	Flow      *FlowMetrics
	HTTP      *HTTPMetrics
	Limiter   *LimiterMetrics
	Media     *MediaMetrics
	Messages  *MessageMetrics
	OptOuts   *OptOutMetrics
	Receipts  *ReceiptMetrics
	Redis     *RedisMetrics
	Saved     *SavedMetrics
	Sweep     *SweepMetrics
	Webhooks  *WebhookMetrics
}

// NewMetrics returns the metrics of a process.
func NewMetrics(build Build) *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)

	with := factory{registry}
	with.gauge("build_info", "Build of the running process; always 1.", "process", "version", "revision", "go").
		WithLabelValues(build.Process, build.Version, build.Revision, runtime.Version()).Set(1)
	return &Metrics{
		Registry:  registry,
		Accept:    newAcceptMetrics(with),
		Attempts:  newAttemptMetrics(with),
		Callbacks: newCallbackMetrics(with),
		Clock:     newClockMetrics(with),
		Flow:      newFlowMetrics(with),
		HTTP:      newHTTPMetrics(with),
		Limiter:   newLimiterMetrics(with),
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

// factory creates metrics and registers them.
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

// HTTPMetrics counts requests to the public listener.
type HTTPMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newHTTPMetrics(with factory) *HTTPMetrics {
	return &HTTPMetrics{
		requests: with.counter("http_requests_total", "Requests by method, route and status.", "method", "route", "status"),
		duration: with.histogram("http_request_duration_seconds", "Time until a request was answered.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "method", "route"),
		inFlight: with.gauge("http_requests_in_flight",
			"Requests to the public listener that are being answered, streams of events among them.").WithLabelValues(),
	}
}

// Began counts a request as in flight until Ended.
func (m *HTTPMetrics) Began() { m.inFlight.Inc() }

// Ended ends what Began has begun.
func (m *HTTPMetrics) Ended() { m.inFlight.Dec() }

// Observe counts a request. The route is the template, never the path; it is
// empty for an unknown path. An unknown method counts as other, so that a caller
// cannot create series.
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

// AcceptMetrics counts messages of requests.
type AcceptMetrics struct{ messages *prometheus.CounterVec }

func newAcceptMetrics(with factory) *AcceptMetrics {
	return &AcceptMetrics{with.counter("accepted_messages_total",
		"Messages of requests, by lane and result (accepted, duplicate, rejected).", "lane", "result")}
}

// Accepted counts n new messages.
func (m *AcceptMetrics) Accepted(lane string, n int) { m.add(lane, "accepted", n) }

// Duplicate counts n messages that repeat recorded ones.
func (m *AcceptMetrics) Duplicate(lane string, n int) { m.add(lane, "duplicate", n) }

// Rejected counts n messages that were refused.
func (m *AcceptMetrics) Rejected(lane string, n int) { m.add(lane, "rejected", n) }

func (m *AcceptMetrics) add(lane, result string, n int) {
	m.messages.WithLabelValues(lane, result).Add(float64(n))
}

// AttemptMetrics describes requests to Sinch.
type AttemptMetrics struct {
	attempts *prometheus.CounterVec
	failures *prometheus.CounterVec
	breaker  prometheus.Gauge
	opened   prometheus.Counter
	paused   *prometheus.GaugeVec
	duration *prometheus.HistogramVec
	codes    *labels
}

func newAttemptMetrics(with factory) *AttemptMetrics {
	return &AttemptMetrics{
		attempts: with.counter("attempts_total", "Calls to Sinch by API and outcome.", "api", "outcome"),
		failures: with.counter("attempt_failures_total",
			"Attempts of messages that Sinch did not accept, by API, outcome, code of the reason and Sinch's code; "+
				"its first 100 codes, then other.",
			"api", "outcome", "code", "sinch_code"),
		opened: with.counter("breaker_opened_total", "How often the breaker of this process has opened.").WithLabelValues(),
		codes:  newLabels(sinchCodesShown),
		breaker: with.gauge("breaker_open",
			"Whether the breaker of this process is open: Sinch does not respond, and one call at a time probes.").WithLabelValues(),
		paused: with.gauge("account_paused",
			"Whether calls wait because Sinch refuses the account, by Sinch's code.", "reason"),
		duration: with.histogram("attempt_duration_seconds", "Duration of calls to Sinch.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30}, "api", "outcome"),
	}
}

// Observe counts a call.
func (m *AttemptMetrics) Observe(api, outcome string, took time.Duration) {
	m.attempts.WithLabelValues(api, outcome).Inc()
	m.duration.WithLabelValues(api, outcome).Observe(took.Seconds())
}

// Failed counts an attempt that Sinch did not accept.
func (m *AttemptMetrics) Failed(api, outcome, code, sinchCode string) {
	m.failures.WithLabelValues(api, outcome, cmp.Or(code, "none"), m.codes.sinchCode(sinchCode)).Inc()
}

// SetBreaker sets whether the breaker is open.
func (m *AttemptMetrics) SetBreaker(open bool) {
	m.breaker.Set(truth(open))
	if open {
		m.opened.Inc()
	}
}

// SetAccountPaused sets the pause of the account with Sinch's code, or its
// absence.
func (m *AttemptMetrics) SetAccountPaused(paused bool, sinchCode string) {
	m.paused.Reset()
	m.paused.WithLabelValues(cmp.Or(sinchCode, "none")).Set(truth(paused))
}

// MediaMetrics describes media checks before a request to Sinch.
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
		checks: with.counter("media_checks_total", "Media fetched for a check, by result (ok, or the code of the fault).", "result"),
		duration: with.histogram("media_check_duration_seconds", "Response time of media hosts.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5}),
		reused: with.counter("media_verdicts_reused_total", "Media with a verdict cached by another check.").WithLabelValues(),
		fits: with.counter("media_fits_total",
			"Media that were made to fit, by result (unchanged, stripped, converted, or the code of what is wrong).", "result"),
		fitting: with.histogram("media_fit_duration_seconds", "Time to fetch, convert and store a media.",
			[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40}),
		stored: with.gauge("media_store_bytes", "Size of all media in the store.").WithLabelValues(),
	}
}

// Checked counts a check that queried the host.
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

// Reused counts a check with a cached verdict.
func (m *MediaMetrics) Reused() { m.reused.Inc() }

// MessageMetrics counts the states of messages.
type MessageMetrics struct{ transitions *prometheus.CounterVec }

func newMessageMetrics(with factory) *MessageMetrics {
	return &MessageMetrics{with.counter("message_transitions_total",
		"State changes of messages, by the state before (new: accepted) and after.", "from", "to")}
}

// Moved counts a state change.
func (m *MessageMetrics) Moved(from, to string) { m.transitions.WithLabelValues(from, to).Inc() }

// OptOutMetrics counts opt-outs.
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

// ReceiptMetrics counts receipts that passed their checks.
type ReceiptMetrics struct{ receipts *prometheus.CounterVec }

func newReceiptMetrics(with factory) *ReceiptMetrics {
	return &ReceiptMetrics{with.counter("receipts_total", "Receipts by shape (the API that sent it) and result.", "shape", "result")}
}

// Received counts a receipt.
func (m *ReceiptMetrics) Received(shape, result string) {
	m.receipts.WithLabelValues(shape, result).Inc()
}

// WebhookMetrics counts receipts that were refused.
type WebhookMetrics struct{ refused *prometheus.CounterVec }

func newWebhookMetrics(with factory) *WebhookMetrics {
	return &WebhookMetrics{with.counter("webhook_auth_failures_total",
		"Receipts without valid credentials, by shape and the check that failed.", "shape", "check")}
}

// Refused counts a receipt whose credentials failed a check.
func (m *WebhookMetrics) Refused(shape, check string) { m.refused.WithLabelValues(shape, check).Inc() }

// SavedMetrics counts events of text and media that batches share and Sinch
// stores.
type SavedMetrics struct{ events *prometheus.CounterVec }

func newSavedMetrics(with factory) *SavedMetrics {
	return &SavedMetrics{with.counter("saved_media_total",
		"Events of shared media saved at Sinch, by event (saved, ready, used by a message, spoilt, gone, not_ready, plain).", "event")}
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
			"Unix time of the last round of the sweeper in this process without an error; 0: none yet.").WithLabelValues(),
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

// ClockMetrics describes differences between clocks.
type ClockMetrics struct{ skew *prometheus.GaugeVec }

func newClockMetrics(with factory) *ClockMetrics {
	return &ClockMetrics{with.gauge("clock_skew_seconds",
		"By how much this process' clock is ahead of Redis' (against=redis), and Redis' of Sinch's (against=sinch).", "against")}
}

// Redis sets by how much this process' clock is ahead of Redis'.
func (m *ClockMetrics) Redis(ahead time.Duration) {
	m.skew.WithLabelValues("redis").Set(ahead.Seconds())
}

// Sinch sets by how much Redis' clock is ahead of Sinch's, whose responses have
// whole seconds.
func (m *ClockMetrics) Sinch(ahead time.Duration) {
	m.skew.WithLabelValues("sinch").Set(ahead.Seconds())
}
