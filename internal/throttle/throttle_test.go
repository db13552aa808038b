package throttle_test

import (
	"errors"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/throttle"
)

func TestBeginPassesPaceAndGate(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	both := throttle.Throttle{Pacer: throttle.NewPacer(rdb, throttle.PacerOptions{Rate: 1000}), Gate: newGate(rdb)}
	ticket, err := both.Begin(t.Context(), throttle.Normal, "m1")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, both.Gate, ticket)
	_, err = both.Begin(t.Context(), throttle.Normal, "m2")
	if _, ok := errors.AsType[*throttle.ClosedError](err); !ok {
		t.Errorf("err = %v, want closed", err)
	}
}

// A probe that gets no token must not keep its place, for nothing would be
// reported of it.
func TestBeginGivesTheProbeBackWhenThePaceIsFull(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	both := throttle.Throttle{
		Pacer: throttle.NewPacer(rdb, throttle.PacerOptions{Rate: 0.01, MaxHold: time.Millisecond}),
		Gate:  newGate(rdb),
	}
	// The one token is taken, then the gate closes.
	if err := throttle.NewPacer(rdb, throttle.PacerOptions{Rate: 0.01}).Wait(t.Context(), throttle.High); err != nil {
		t.Fatal(err)
	}
	refused(t, both.Gate, mustEnter(t, both.Gate, "m1"))
	if probe := enterSoon(t, both.Gate, "m2"); !probe.Probe {
		t.Fatal("m2 is no probe")
	}
	_, err := both.Begin(t.Context(), throttle.Normal, "m2")
	if _, ok := errors.AsType[*throttle.WaitError](err); !ok {
		t.Fatalf("err = %v, want no room", err)
	}
	if next := mustEnter(t, both.Gate, "m3"); !next.Probe {
		t.Error("m3 is no probe")
	}
}

// The account is paused while the pace holds a message that was let in before.
func TestBeginSeesAPauseThatCameWhileItWaited(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	const rate = 4
	both := throttle.Throttle{
		Pacer: throttle.NewPacer(rdb, throttle.PacerOptions{Rate: rate}),
		Gate:  newGate(rdb, func(o *throttle.GateOptions) { o.Pause = time.Minute }),
	}
	first, err := both.Begin(t.Context(), throttle.Normal, "m1")
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := both.Begin(t.Context(), throttle.Normal, "m2")
		second <- err
	}()
	refused(t, both.Gate, first)
	if _, ok := errors.AsType[*throttle.ClosedError](<-second); !ok {
		t.Error("a call began in a pause")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	cause := errors.New("refused")
	for want, err := range map[string]error{
		"the pace leaves no room, retry in 2s": &throttle.WaitError{RetryIn: 2 * time.Second},
		"calls are paused, retry in 1m0s":      &throttle.ClosedError{RetryIn: time.Minute},
		"throttle: redis unavailable: refused": &throttle.UnavailableError{Err: cause},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !errors.Is(&throttle.UnavailableError{Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}
