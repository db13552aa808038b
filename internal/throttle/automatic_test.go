package throttle

import (
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestAutomaticPausesAreShown: each pause that Sinch causes is listed with its
// code and the next probe, and no longer once it is over.
func TestAutomaticPausesAreShown(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	list := func() []AutomaticPause {
		t.Helper()
		pauses, err := AutomaticPauses(t.Context(), rdb, "")
		if err != nil {
			t.Fatal(err)
		}
		return pauses
	}
	if got := list(); len(got) != 0 {
		t.Fatalf("%+v before any call", got)
	}

	gate := NewGate(rdb, GateOptions{Account: "a", Pause: time.Hour})
	permit, err := gate.Acquire(t.Context(), "m1", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Refused(t.Context(), permit, "E104"); err != nil {
		t.Fatal(err)
	}
	got := list()
	if len(got) != 1 || got[0].Reason != "Sinch refuses the account (E104)" || time.Until(got[0].ProbeAt) < 50*time.Minute || time.Since(got[0].Since) > time.Minute {
		t.Fatalf("account: %+v", got)
	}

	p := NewPacer(rdb, PacerOptions{})
	throttled(t, p, 10, 30*time.Second)
	got = list()
	if len(got) != 2 || got[1].Reason != "Sinch answers that calls are too fast (429)" || time.Until(got[1].ProbeAt) < 20*time.Second || got[1].Until.IsZero() {
		t.Fatalf("too fast: %+v", got)
	}

	out := newOutages(rdb, DefaultPrefix)
	shown := func(workers string) bool {
		pauses := list()
		return strings.Contains(pauses[len(pauses)-1].Reason, "Sinch does not answer"+workers)
	}
	out.changed(time.Now().Add(5 * time.Second))
	eventually(t, "the outage is shown", func() bool { return shown(" (workers: 1)") })
	since := list()[2].Since
	out.changed(time.Now().Add(time.Minute))
	eventually(t, "the next probe is shown", func() bool { return time.Until(list()[2].ProbeAt) > 10*time.Second && list()[2].Since.Equal(since) })
	out.changed(time.Time{})
	eventually(t, "the outage is over", func() bool { return len(list()) == 2 })
	if err := rdb.HSet(t.Context(), outagesKey(DefaultPrefix), "dead", "1000 2000").Err(); err != nil {
		t.Fatal(err)
	}
	if len(list()) != 2 {
		t.Error("the outage of a process that died long ago is shown")
	}
	if err := out.removeStale(t.Context()); err != nil || rdb.Exists(t.Context(), outagesKey(DefaultPrefix)).Val() != 0 {
		t.Error("the outage of a process that died long ago is kept")
	}
}

// TestOpenBreakerIsAnAutomaticPause: the limiter publishes the breaker's state.
func TestOpenBreakerIsAnAutomaticPause(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := NewLimiter(rdb, Options{Metrics: &breakerMetric{}, Breaker: BreakerOptions{Failures: 1, OpenFor: time.Hour}})
	permit, err := l.Acquire(t.Context(), &message.Message{ID: "msg_1"})
	if err != nil {
		t.Fatal(err)
	}
	permit.Report(t.Context(), message.Outcome{Kind: message.OutcomeUnknown})
	eventually(t, "the outage is shown", func() bool {
		pauses, err := AutomaticPauses(t.Context(), rdb, "")
		return err == nil && len(pauses) == 1 && time.Until(pauses[0].ProbeAt) > 50*time.Minute
	})
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-tick.C
	}
}
