package telemetry

import (
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The bounds of the series whose labels come from callers or from Sinch. Further
// values are counted as other.
const (
	tenantsShown    = 100
	sinchCodesShown = 100
	otherValue      = "other"
)

// labels are the values of a label: the first ones of a process.
type labels struct {
	mu    sync.Mutex
	known map[string]bool
	most  int
}

func newLabels(most int) *labels { return &labels{known: make(map[string]bool), most: most} }

// of returns a value, or otherValue when there are too many.
func (l *labels) of(value string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[value] {
		return value
	}
	if len(l.known) >= l.most {
		return otherValue
	}
	l.known[value] = true
	return value
}

// FlowMetrics describe the way of messages: how long they wait and take, and what
// becomes of those of each tenant.
type FlowMetrics struct {
	waited    *prometheus.HistogramVec
	sent      *prometheus.HistogramVec
	delivered *prometheus.HistogramVec
	tenants   *prometheus.CounterVec
	shown     *labels
}

func newFlowMetrics(with factory) *FlowMetrics {
	wide := []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}
	return &FlowMetrics{
		waited: with.histogram("queue_wait_seconds", "Time between a message was due and its attempt began, by lane.",
			[]float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}, "lane"),
		sent: with.histogram("message_sent_seconds",
			"Time between a message could be sent (accepted, replayed, its sendAt) and Sinch accepted it, by lane; test messages left out.",
			wide, "lane"),
		delivered: with.histogram("message_delivered_seconds",
			"Time between a message could be sent and a receipt reported its delivery, by lane; test messages left out.", wide, "lane"),
		tenants: with.counter("tenant_transitions_total",
			"Live messages by tenant that were accepted, and their state changes by the state after; "+
				"the first 100 tenants of a process, then other.", "tenant", "to"),
		shown: newLabels(tenantsShown),
	}
}

// Waited observes the time that a message was due before its attempt.
func (m *FlowMetrics) Waited(lane string, waited time.Duration) {
	m.waited.WithLabelValues(lane).Observe(waited.Seconds())
}

// Sent observes the time until Sinch accepted a message.
func (m *FlowMetrics) Sent(lane string, took time.Duration) {
	m.sent.WithLabelValues(lane).Observe(took.Seconds())
}

// Delivered observes the time until a message was delivered.
func (m *FlowMetrics) Delivered(lane string, took time.Duration) {
	m.delivered.WithLabelValues(lane).Observe(took.Seconds())
}

// OfTenant counts a state change of a tenant's message.
func (m *FlowMetrics) OfTenant(tenant, to string) {
	m.tenants.WithLabelValues(m.shown.of(tenant), to).Inc()
}

// LimiterMetrics describe the waits for permits to call Sinch.
type LimiterMetrics struct {
	wait   *prometheus.HistogramVec
	denied *prometheus.CounterVec
}

func newLimiterMetrics(with factory) *LimiterMetrics {
	return &LimiterMetrics{
		wait: with.histogram("limiter_wait_seconds", "Time that a task waited for a permit to call Sinch, by result (granted, denied).",
			[]float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5}, "result"),
		denied: with.counter("limiter_denied_total",
			"Permits that were denied, so that the task waits in the queue again, by limit (pace, pace of its sender, account paused …).",
			"limit"),
	}
}

// Granted observes the wait for a permit.
func (m *LimiterMetrics) Granted(waited time.Duration) {
	m.wait.WithLabelValues("granted").Observe(waited.Seconds())
}

// Denied observes the wait for a permit that a limit denied.
func (m *LimiterMetrics) Denied(limit string, waited time.Duration) {
	m.wait.WithLabelValues("denied").Observe(waited.Seconds())
	m.denied.WithLabelValues(limit).Inc()
}

// sinchCodeShape is that of Sinch's codes. Anything else is not a label.
var sinchCodeShape = regexp.MustCompile(`^[A-Za-z_]{0,30}[0-9]{0,6}$`)

// sinchCode is a code as a label.
func (l *labels) sinchCode(code string) string {
	switch {
	case code == "":
		return "none"
	case !sinchCodeShape.MatchString(code):
		return otherValue
	default:
		return l.of(code)
	}
}
