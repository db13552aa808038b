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
	rdb := redistest.Shared(t).Client(t)
	b := &brakes{
		pacer: throttle.NewPacer(rdb, throttle.PacerOptions{}),
		gate:  throttle.NewGate(rdb, throttle.GateOptions{Account: "a", Pause: 100 * time.Millisecond}),
		free:  func(*message.Message) bool { return false },
	}
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
