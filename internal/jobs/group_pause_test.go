package jobs

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/throttle"
)

// TestPausedGroupIsParked: the task of a group whose scope is paused is parked, no
// request is made for it, rows accepted meanwhile join it, a group that is not
// covered is sent, and after the pause each recipient is sent to once.
func TestPausedGroupIsParked(t *testing.T) {
	t.Parallel()
	for name, scopeOf := range map[string]func(batch message.BatchID) (pause.Scope, error){
		"batch":  func(id message.BatchID) (pause.Scope, error) { return pause.Batch(string(id)) },
		"lane":   func(message.BatchID) (pause.Scope, error) { return pause.Lane("bulk") },
		"tenant": func(message.BatchID) (pause.Scope, error) { return pause.Tenant("shop") },
		"sender": func(message.BatchID) (pause.Scope, error) { return pause.Sender("+12065550000") },
		"all":    func(message.BatchID) (pause.Scope, error) { return pause.All, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			f := b.bulk()
			messages := b.acceptBatch(t, 40)
			scope, err := scopeOf(messages[0].BatchID)
			if err != nil {
				t.Fatal(err)
			}
			p := b.pause(t, scope)
			b.run(t)
			until(t, "the group is parked", func() bool { return b.parked(t, p) > 0 })
			if name == "batch" {
				others := b.acceptBatch(t, 3, func(row *ledger.Row) { row.Content.To = "+1425" + row.Content.To[5:] })
				b.awaitAll(t, others, all(message.StatusSent))
			}
			for _, m := range b.awaitAll(t, messages, all(message.StatusQueued)) {
				if m.Attempts != 0 || m.Tries != 0 {
					t.Fatalf("a paused recipient was tried: %+v", m)
				}
			}
			for _, call := range f.made() {
				for _, to := range call.to {
					if strings.HasPrefix(to, "+1206") {
						t.Fatalf("a paused recipient was sent to: %v", call)
					}
				}
			}
			b.resume(t, p)
			b.awaitAll(t, messages, all(message.StatusSent))
			numbers := f.accepted()
			for _, m := range messages {
				if n := numbers[m.Content.To]; n != 1 {
					t.Errorf("%s was sent to %d times", m.Content.To, n)
				}
			}
			until(t, "nothing is parked", func() bool { return b.parked(t, p) == 0 })
		})
	}
}

// noGauges implements throttle.Metrics.
type noGauges struct{}

func (noGauges) SetBreaker(bool) {}

// limited gives the worker the limiter of the service, with limits of the sender.
func (b *bench) limited(limit throttle.SenderLimit) {
	b.opts.Limiter = throttle.NewLimiter(b.rdb, throttle.Options{
		Pacer:   throttle.PacerOptions{Senders: map[string]throttle.SenderLimit{"12065550000": limit}},
		Gate:    throttle.GateOptions{Account: "fake", Pause: time.Second, Lease: 10 * time.Second},
		Breaker: throttle.BreakerOptions{Lease: 10 * time.Second},
		Metrics: noGauges{}, Log: zerolog.Nop(),
	})
}

// TestDayOfASenderHoldsTheRest: beyond the messages of a sender's day, messages and
// recipients of a group wait until midnight in Los Angeles, queued and without a
// try, and say so.
func TestDayOfASenderHoldsTheRest(t *testing.T) {
	t.Parallel()
	const daily, most = 10, 25
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	accept := map[string]func(t *testing.T, b *bench) []*message.Message{
		"group": func(t *testing.T, b *bench) []*message.Message {
			t.Helper()
			return b.acceptBatch(t, most)
		},
		"messages": func(t *testing.T, b *bench) []*message.Message {
			t.Helper()
			var messages []*message.Message
			for i := range most {
				m := b.accept(t, func(c *message.Content) { c.To = bulkNumber(i) })
				b.dispatch(t, m)
				messages = append(messages, m)
			}
			return messages
		},
	}
	for name, messages := range accept {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			f := b.bulk()
			b.limited(throttle.SenderLimit{Daily: daily})
			waiting := messages(t, b)
			b.run(t)
			held := func(m *message.Message) bool {
				return m.Status == message.StatusQueued && m.NextAt.After(time.Now().Add(time.Second))
			}
			sent, waits := 0, 0
			until(t, "the day's messages are sent and the rest is held", func() bool {
				sent, waits = 0, 0
				for _, m := range waiting {
					got, err := b.ledger.Get(t.Context(), m.ID)
					if err != nil {
						t.Fatal(err)
					}
					if got.Status == message.StatusSent {
						sent++
					}
					if held(got) {
						waits++
						b.wantHeld(t, got, zone)
					}
				}
				return sent+waits == most
			})
			if sent != daily || len(f.accepted()) != daily {
				t.Errorf("%d sent, %d numbers, want %d", sent, len(f.accepted()), daily)
			}
			f.wantOnceEach(t, daily)
		})
	}
}

// wantHeld checks a message that waits for the next day of its sender.
func (*bench) wantHeld(t *testing.T, m *message.Message, zone *time.Location) {
	t.Helper()
	if at := m.NextAt.In(zone); at.Hour() != 0 || at.Minute() != 0 || at.Second() != 0 {
		t.Errorf("held until %s", at)
	}
	last := m.Timeline[len(m.Timeline)-1]
	if m.Attempts != 0 || m.Tries != 0 || !strings.Contains(last.Detail, "waits: ") || !strings.Contains(last.Detail, "until") {
		t.Errorf("%d attempts, %d tries, %+v", m.Attempts, m.Tries, last)
	}
}

// TestSlowSenderOfAGroupReachesItsRate: recipients of a sender with a pace are sent
// to at that pace, though the task of their group rests between two requests.
func TestSlowSenderOfAGroupReachesItsRate(t *testing.T) {
	t.Parallel()
	const (
		perSecond  = 4
		recipients = 60
	)
	b := setup(t)
	f := b.bulk()
	b.limited(throttle.SenderLimit{PerSecond: perSecond})
	messages := b.acceptBatch(t, recipients)
	b.run(t)
	var first, last time.Time
	for _, m := range b.awaitAll(t, messages, all(message.StatusSent)) {
		at := begunAt(m)
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	f.wantOnceEach(t, recipients)
	took := last.Sub(first)
	reached := (recipients - 1) / took.Seconds() / perSecond
	t.Logf("%d recipients in %s: %.0f %% of the pace, %d requests", recipients, took, 100*reached, len(f.made()))
	const burst = 1.1 // what may go at once, over 15 s
	if reached < 0.9 || reached > burst {
		t.Errorf("reached %.0f %% of the pace", 100*reached)
	}
}
