package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// TestSlowSenderDelaysNoOther: with more messages of a slow sender than the worker has
// slots, those of another sender go out at once, and the slow one keeps its pace.
func TestSlowSenderDelaysNoOther(t *testing.T) {
	t.Parallel()
	const slow = "+12065550199"
	s := start(t, with("SINCH_SENDERS", slow), with("SINCH_SENDER_RATES", slow+"=0.5"), with("WORKER_CONCURRENCY", "4"))
	begun := time.Now()
	for range 20 {
		s.send(message{"from": slow})
	}
	for range 10 {
		s.awaitStatus(s.send(message{}), "delivered")
	}
	allowed := 2 + int(time.Since(begun)/(2*time.Second))
	if calls := len(s.sim.AllCalls()) - 10; calls > allowed || calls < 1 {
		t.Errorf("%d calls of the slow sender within %s", calls, time.Since(begun))
	}
}

// TestPausedMessagesSurviveAKill: workers that die while messages are parked, and
// while they come back, lose none and send none twice.
func TestPausedMessagesSurviveAKill(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2), patient())
	store := pause.NewStore(s.redis.Client(t))
	p := pause.Pause{Scope: pause.All, Reason: "fault test", Actor: "test", Since: time.Now()}
	if err := store.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b := s.stream("clientReference=parked", s.rows(200))
	parked := func() int64 {
		n, err := s.redis.Client(t).ZCard(t.Context(), "mms:{m}:parked:all").Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.await("some are parked", s.conf.patience, func() (bool, string) { return parked() > 0, "none" })
	s.workers[0].Kill()
	s.startWorker()
	s.await("all are parked", s.conf.patience, func() (bool, string) { return parked() >= 200, fmt.Sprint(parked()) })
	if n := len(s.sim.AllCalls()); n != 0 {
		t.Fatalf("%d calls during the pause", n)
	}
	if err := store.Remove(t.Context(), p.Key()); err != nil {
		t.Fatal(err)
	}
	s.await("some come back", s.conf.patience, func() (bool, string) { return parked() < 100, fmt.Sprint(parked()) })
	s.workers[1].Kill()
	s.startWorker()
	s.awaitDone(b.ID)
	if got := s.lookUpBatch(b.ID); got.Total != 200 || strings.Contains(got.Status, "paused") {
		t.Errorf("%+v", got)
	}
}

// TestPaceHoldsAfterAnOutage: while Sinch refuses the account the pause is listed with
// Sinch's code and the next probe, and what has waited goes out at the pace.
func TestPaceHoldsAfterAnOutage(t *testing.T) {
	t.Parallel()
	const (
		rate     = 20
		slack    = rate/10 + 6 // what may go at once, and what is on its way when a window begins
		messages = 150
	)
	s := start(t, workers(2), with("SINCH_RATE", strconv.Itoa(rate)), with("SINCH_PAUSE", "2s"))
	s.sim.SetDefault("E104")
	b := s.stream("clientReference=outage", s.rows(messages))
	s.await("the pause is listed", s.conf.patience, func() (bool, string) {
		pauses, err := operator.Pauses(t.Context(), s.redis.Client(t))
		if err != nil {
			t.Fatal(err)
		}
		return len(pauses) == 1 && pauses[0].Scope == "account" && strings.Contains(pauses[0].Reason, "(E104)") && pauses[0].ProbeAt != nil, fmt.Sprintf("%+v", pauses)
	})
	refused := len(s.sim.AllCalls())
	s.sim.SetDefault("ok")
	s.awaitDone(b.ID)
	calls := s.sim.AllCalls()
	if len(calls) < messages+refused-2 {
		t.Fatalf("%d calls for %d messages", len(calls), messages)
	}
	for _, window := range []time.Duration{time.Second, 5 * time.Second} {
		for i := range calls {
			n := 0
			for _, call := range calls[i:] {
				if call.At.Sub(calls[i].At) < window {
					n++
				}
			}
			if most := int(rate*window.Seconds()) + slack; n > most {
				t.Fatalf("%d calls within %s, want %d at most", n, window, most)
			}
		}
	}
}
