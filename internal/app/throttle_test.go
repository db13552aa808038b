package app

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// newBrakes are brakes whose breaker opens with the first failure.
func newBrakes(t *testing.T) *brakes {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	return &brakes{
		breaker: throttle.NewBreaker(throttle.BreakerOptions{Failures: 1, OpenFor: time.Minute, MaxHold: time.Millisecond}),
		pacer:   throttle.NewPacer(rdb, throttle.PacerOptions{}),
		gate:    throttle.NewGate(rdb, throttle.GateOptions{Account: "a", Pause: 100 * time.Millisecond}),
		free:    func(m *message.Message) bool { return m.Scope.Test },
	}
}

func enter(t *testing.T, b *brakes) *pass {
	t.Helper()
	m := &message.Message{ID: message.NewID(message.RandomIdentity(), time.Now()), Content: message.Content{Priority: message.Bulk}}
	for range 100 { // a paused account is probed again soon
		got, _, err := b.Enter(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if got != nil {
			return got.(*pass)
		}
	}
	t.Fatal("the account stays paused")
	return nil
}

// A call takes a token for each recipient, a probe has one recipient, and no
// call begins that was put together while the account was refused.
func TestLeaveForSeveralRecipients(t *testing.T) {
	t.Parallel()
	b := newBrakes(t)
	first, second := enter(t, b), enter(t, b)
	if n, wait, err := first.More(t.Context(), 999); n != 999 || wait != 0 || err != nil {
		t.Errorf("%d recipients, wait %s, %v", n, wait, err)
	}
	first.Done(t.Context(), message.Outcome{Kind: message.OutcomeAccount})
	if n, wait, err := second.More(t.Context(), 999); n != 0 || wait <= 0 || err != nil {
		t.Errorf("in a pause: %d recipients, wait %s, %v", n, wait, err)
	}
	probe := enter(t, b)
	if n, wait, err := probe.More(t.Context(), 999); n != 0 || wait != 0 || err != nil || !probe.ticket.Probe {
		t.Errorf("for a probe: %d recipients, wait %s, %v", n, wait, err)
	}
	probe.Done(t.Context(), message.Outcome{Kind: message.OutcomeAccepted})
	if n, _, err := enter(t, b).More(t.Context(), 5); n != 5 || err != nil {
		t.Errorf("after the probe: %d recipients, %v", n, err)
	}
}

func TestWhatShowsThatSinchIsThere(t *testing.T) {
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
			b := newBrakes(t)
			first, second := enter(t, b), enter(t, b)
			first.Done(t.Context(), tt.outcome)
			if err := b.breaker.Confirm(second.leave); (err == nil) != tt.there {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

// Messages of live keys come again later, and those of test keys go on.
func TestCallsWaitWhileSinchIsAway(t *testing.T) {
	t.Parallel()
	b := newBrakes(t)
	first, second := enter(t, b), enter(t, b)
	first.Done(t.Context(), message.Outcome{Kind: message.OutcomeUnknown})
	if n, wait, err := second.More(t.Context(), 10); n != 0 || wait < time.Minute/2 || err != nil {
		t.Errorf("%d recipients, wait %s, %v", n, wait, err)
	}
	m := &message.Message{ID: message.NewID(message.RandomIdentity(), time.Now())}
	if got, wait, err := b.Enter(t.Context(), m); got != nil || wait < time.Minute/2 || err != nil {
		t.Errorf("pass %v, wait %s, %v", got, wait, err)
	}
	m.Scope.Test = true
	if got, wait, err := b.Enter(t.Context(), m); got == nil || wait != 0 || err != nil {
		t.Errorf("a test key: pass %v, wait %s, %v", got, wait, err)
	}
}

// A probe that does not get past the gate or the pace makes room for the next.
func TestProbeThatIsNotBegunMakesRoom(t *testing.T) {
	t.Parallel()
	b := newBrakes(t)
	b.breaker = throttle.NewBreaker(throttle.BreakerOptions{Failures: 1, OpenFor: time.Millisecond})
	refused, failed := enter(t, b), enter(t, b)
	refused.Done(t.Context(), message.Outcome{Kind: message.OutcomeAccount})
	failed.Done(t.Context(), message.Outcome{Kind: message.OutcomeUnknown})
	probe := enter(t, b) // the gate holds some back before
	if !probe.leave.Probe || !probe.ticket.Probe {
		t.Errorf("probe of Sinch %v, of the account %v", probe.leave.Probe, probe.ticket.Probe)
	}
	if n, wait, err := probe.More(t.Context(), 999); n != 0 || wait != 0 || err != nil {
		t.Errorf("%d recipients, wait %s, %v", n, wait, err)
	}
	probe.Done(t.Context(), message.Outcome{Kind: message.OutcomeAccepted})
	if next := enter(t, b); next.leave.Probe || next.ticket.Probe {
		t.Error("a probe in good times")
	}
}
