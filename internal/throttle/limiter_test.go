package throttle

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

type breakerMetric struct{ open bool }

func (m *breakerMetric) SetBreaker(open bool) { m.open = open }

// newLimiter is a limiter without a pace whose breaker opens with the first
// failure.
func newLimiter(t *testing.T, change ...func(*Options)) *Limiter {
	t.Helper()
	return newLimiterOn(redistest.Shared(t).Client(t), change...)
}

func newLimiterOn(rdb redis.UniversalClient, change ...func(*Options)) *Limiter {
	opts := Options{
		Breaker: BreakerOptions{Failures: 1, OpenFor: time.Minute, MaxWait: time.Millisecond},
		Gate:    GateOptions{Account: "a", Pause: 100 * time.Millisecond},
		Exempt:  func(m *message.Message) bool { return m.Scope.Test },
		Metrics: &breakerMetric{},
	}
	for _, f := range change {
		f(&opts)
	}
	return NewLimiter(rdb, opts)
}

func newMessage() *message.Message {
	return &message.Message{ID: message.NewID(message.RandomIdentity(), time.Now()), Content: message.Content{Priority: message.Bulk}}
}

func acquire(t *testing.T, l *Limiter) *Permit {
	t.Helper()
	m := newMessage()
	for range 100 { // a paused account is probed again soon
		permit, err := l.Acquire(t.Context(), m)
		if err == nil {
			return permit
		}
		if _, ok := errors.AsType[*DeniedError](err); !ok {
			t.Fatal(err)
		}
	}
	t.Fatal("the account stays paused")
	return nil
}

func wantCause(t *testing.T, err error, cause Cause, least time.Duration) {
	t.Helper()
	denied, ok := errors.AsType[*DeniedError](err)
	if !ok || denied.Cause != cause || denied.RetryIn < least {
		t.Errorf("err = %v, want %s for at least %s", err, cause, least)
	}
}

// A call takes a token for each recipient, a probe has one recipient, and no
// request begins that was prepared while the account was refused.
func TestPermitForSeveralRecipients(t *testing.T) {
	t.Parallel()
	l := newLimiter(t)
	first, second := acquire(t, l), acquire(t, l)
	if n, err := first.Extend(t.Context(), 999); n != 999 || err != nil {
		t.Errorf("%d recipients, %v", n, err)
	}
	first.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccount})
	n, err := second.Extend(t.Context(), 999)
	if n != 0 {
		t.Errorf("in a pause: %d recipients", n)
	}
	wantCause(t, err, CauseAccount, time.Nanosecond)
	probe := acquire(t, l)
	if n, err := probe.Extend(t.Context(), 999); n != 0 || err != nil || !probe.gate.Probe {
		t.Errorf("for a probe: %d recipients, %v", n, err)
	}
	probe.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccepted})
	if n, err := acquire(t, l).Extend(t.Context(), 5); n != 5 || err != nil {
		t.Errorf("after the probe: %d recipients, %v", n, err)
	}
}

func TestOutcomesThatShowThatSinchAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome message.Outcome
		there   bool
	}{
		"accepted":              {message.Outcome{Kind: message.OutcomeAccepted}, true},
		"refused":               {message.Outcome{Kind: message.OutcomeRefused, SinchCode: "E110"}, true},
		"throttled":             {message.Outcome{Kind: message.OutcomeThrottled}, true},
		"account":               {message.Outcome{Kind: message.OutcomeAccount}, true},
		"gone":                  {message.Outcome{Kind: message.OutcomeGone, SinchCode: "E241"}, true},
		"not ready":             {message.Outcome{Kind: message.OutcomeNotReady, SinchCode: "E626"}, true},
		"not sent, Sinch says":  {message.Outcome{Kind: message.OutcomeNotSent, SinchCode: "E618"}, true},
		"not begun":             {message.Outcome{Kind: message.OutcomeNotBegun}, true},
		"not sent":              {message.Outcome{Kind: message.OutcomeNotSent}, false},
		"unknown":               {message.Outcome{Kind: message.OutcomeUnknown}, false},
		"unknown, Sinch failed": {message.Outcome{Kind: message.OutcomeUnknown, SinchCode: "E503"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metric := &breakerMetric{}
			l := newLimiter(t, func(o *Options) { o.Metrics = metric })
			first, second := acquire(t, l), acquire(t, l)
			first.Report(t.Context(), tt.outcome)
			if err := l.breaker.Confirm(second.breaker); (err == nil) != tt.there || metric.open == tt.there {
				t.Errorf("the next call: %v, metric %v", err, metric.open)
			}
		})
	}
}

// Messages of live keys come again later, and those of test keys go on.
func TestCallsWaitWhileSinchIsAway(t *testing.T) {
	t.Parallel()
	l := newLimiter(t)
	first, second := acquire(t, l), acquire(t, l)
	first.Report(t.Context(), message.Outcome{Kind: message.OutcomeUnknown})
	n, err := second.Extend(t.Context(), 10)
	if n != 0 {
		t.Errorf("%d recipients", n)
	}
	wantCause(t, err, CauseUnreachable, time.Minute/2)
	m := newMessage()
	_, err = l.Acquire(t.Context(), m)
	wantCause(t, err, CauseUnreachable, time.Minute/2)
	m.Scope.Test = true
	permit, err := l.Acquire(t.Context(), m)
	if err != nil {
		t.Fatalf("a test key: %v", err)
	}
	if n, err := permit.Extend(t.Context(), 10); n != 10 || err != nil {
		t.Errorf("a test key: %d recipients, %v", n, err)
	}
	outcome := permit.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccount})
	if outcome.Kind != message.OutcomeAccount {
		t.Errorf("a test key: outcome %+v", outcome)
	}
}

// A probe that does not get past the gate or the pace makes room for the next.
func TestProbeThatIsNotBegunMakesRoom(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, func(o *Options) { o.Breaker = BreakerOptions{Failures: 1, OpenFor: time.Millisecond} })
	refused, failed := acquire(t, l), acquire(t, l)
	refused.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccount})
	failed.Report(t.Context(), message.Outcome{Kind: message.OutcomeUnknown})
	probe := acquire(t, l) // the gate denies some before
	if !probe.breaker.Probe || !probe.gate.Probe {
		t.Errorf("probe of Sinch %v, of the account %v", probe.breaker.Probe, probe.gate.Probe)
	}
	if n, err := probe.Extend(t.Context(), 999); n != 0 || err != nil {
		t.Errorf("%d recipients, %v", n, err)
	}
	probe.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccepted})
	if next := acquire(t, l); next.breaker.Probe || next.gate.Probe {
		t.Error("a probe in good times")
	}
}

// A probe that gets no token must not keep its place, for it would never report.
func TestAcquireReleasesTheProbeWhenThePaceIsFull(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	l := newLimiterOn(rdb, func(o *Options) { o.Pacer = PacerOptions{Rate: 0.01, MaxWait: time.Millisecond} })
	// The one token is taken, then the gate closes.
	first := acquire(t, l)
	first.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccount, SinchCode: "E104"})
	for {
		_, err := l.Acquire(t.Context(), newMessage())
		denied, ok := errors.AsType[*DeniedError](err)
		if !ok {
			t.Fatalf("err = %v, want denied", err)
		}
		if denied.Cause == CausePace {
			break
		}
	}
	if next, err := l.gate.Acquire(t.Context(), "next", "acme"); err != nil || !next.Probe {
		t.Errorf("the next message is no probe: %+v, %v", next, err)
	}
}

// The account is paused while the pace delays a message that was let in before.
func TestAcquireSeesAPauseThatCameWhileItWaited(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, func(o *Options) { o.Pacer.Rate, o.Gate.Pause = 4, time.Minute })
	first := acquire(t, l)
	second := make(chan error, 1)
	go func() {
		_, err := l.Acquire(t.Context(), newMessage())
		second <- err
	}()
	first.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccount})
	wantCause(t, <-second, CauseAccount, time.Nanosecond)
}

// Release is safe after Report, and a permit is reported once.
func TestPermitEndsOnce(t *testing.T) {
	t.Parallel()
	l := newLimiter(t)
	permit := acquire(t, l)
	permit.Report(t.Context(), message.Outcome{Kind: message.OutcomeAccepted})
	permit.Release(t.Context())
	permit.Report(t.Context(), message.Outcome{Kind: message.OutcomeUnknown})
	acquire(t, l).Release(t.Context()) // the breaker would be open
}

// An outage of Redis is named, and logged once when it begins and once when it
// ends, however many messages meet it.
func TestOutageOfRedisIsLoggedOnce(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	var lines bytes.Buffer
	l := newLimiterOn(srv.Client(t), func(o *Options) { o.Log = zerolog.New(&lines) })
	srv.Kill()
	for range 3 {
		_, err := l.Acquire(t.Context(), newMessage())
		wantCause(t, err, CauseUnavailable, time.Second)
	}
	srv.Restart()
	for {
		permit, err := l.Acquire(t.Context(), newMessage())
		if err == nil {
			permit.Release(t.Context())
			break
		}
	}
	if text := lines.String(); strings.Count(text, "limiter unavailable") != 1 || strings.Count(text, "limiter available again") != 1 {
		t.Errorf("log:\n%s", text)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	cause := errors.New("refused")
	probe := time.Date(2026, 11, 28, 19, 30, 0, 0, time.FixedZone("", 3600))
	for want, err := range map[string]error{
		"pace": &DeniedError{Cause: CausePace, RetryIn: 2 * time.Second},
		"account paused (E104), next probe at 2026-11-28T18:30:00Z": &DeniedError{Cause: CauseAccount, SinchCode: "E104", ProbeAt: probe},
		"account paused, a probe is under way":                      &DeniedError{Cause: CauseAccount},
		"Sinch does not answer, next probe at 2026-11-28T18:30:00Z": &DeniedError{Cause: CauseUnreachable, ProbeAt: probe},
		"limiter unavailable: refused":                              &DeniedError{Cause: CauseUnavailable, Err: cause},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !errors.Is(&DeniedError{Cause: CauseUnavailable, Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}
