package throttle

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

const limited, unlimited = "12065550100", "12065550101"

// sendersPacer is a pacer with limits of one sender.
func sendersPacer(tb testing.TB, rdb redis.UniversalClient, rate float64, limit SenderLimit, now func() time.Time) *Pacer {
	tb.Helper()
	return NewPacer(rdb, PacerOptions{Rate: rate, Senders: map[string]SenderLimit{"+" + limited: limit}, Now: now})
}

func from(sender string, n int) *message.Message {
	return &message.Message{ID: message.ID("msg_" + strconv.Itoa(n)), From: "+" + sender}
}

// take requests a token as the limiter does, and returns when to retry.
func take(t *testing.T, p *Pacer, m *message.Message) *DeniedError {
	t.Helper()
	err := p.wait(t.Context(), message.Normal, p.claim(m))
	if denied, ok := errors.AsType[*DeniedError](err); ok {
		return denied
	}
	if err != nil {
		t.Fatal(err)
	}
	return nil
}

// lostAfter is LOST of lua/take.lua.
const lostAfter = 5 * time.Second

// TestSenderPaceMatchesModel: over any window a sender gets no more tokens than its
// pace allows and those of some seconds that messages are late, also after a pause;
// each of its messages gets one, and other senders are never delayed by it.
func TestSenderPaceMatchesModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		srv := miniredis.RunT(t)
		rdb := redis.NewClient(&redis.Options{Addr: srv.Addr()})
		defer rdb.Close()
		now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		srv.SetTime(now)
		rate := rapid.SampledFrom([]float64{0.83, 2.5, 20, 40}).Draw(rt, "rate")
		p := sendersPacer(t, rdb, 0, SenderLimit{PerSecond: rate}, func() time.Time { return now })
		reservations := NewReservations(rdb, PacerOptions{Senders: p.senders.limits})
		interval := time.Duration(microsPerToken(rate)) * time.Microsecond
		burst := max(1, int(rate/senderBurst))
		var (
			granted []time.Time
			due     = make(map[int]time.Time) // messages that have to retry
			order   []time.Time
			next    int
			freed   int
		)
		ask := func(n int) {
			denied := take(t, p, from(limited, n))
			if denied == nil {
				granted = append(granted, now)
				delete(due, n)
				return
			}
			if denied.Cause != CauseSender {
				rt.Fatalf("denied: %v", denied)
			}
			at := now.Add(denied.RetryIn)
			before, waits := due[n]
			switch {
			case !waits:
				order = append(order, at)
			case now.Before(before) && at.Sub(before).Abs() > time.Millisecond:
				rt.Fatalf("message %d has a place at %s and at %s", n, before, at)
			case !at.After(now):
				rt.Fatalf("message %d is to come back at once", n)
			}
			due[n] = at
		}
		retry := func() {
			for n, at := range due {
				if !now.Before(at.Add(time.Millisecond)) {
					due[n] = at.Add(time.Millisecond) // replies are in whole microseconds
					ask(n)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"a message comes": func(*rapid.T) { next++; ask(next) },
			"time passes": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
				srv.SetTime(now)
				retry()
			},
			"a pause ends": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(3, 600).Draw(rt, "s")) * time.Second)
				srv.SetTime(now)
				retry()
			},
			"one is canceled": func(rt *rapid.T) {
				for n := range due {
					if err := reservations.Free(t.Context(), from(limited, n)); err != nil {
						rt.Fatal(err)
					}
					delete(due, n)
					freed++
					return
				}
			},
			"one comes too early": func(*rapid.T) {
				for n, at := range due {
					if now.Before(at) {
						ask(n)
						return
					}
				}
			},
			"another sender": func(*rapid.T) {
				next++
				if denied := take(t, p, from(unlimited, next)); denied != nil {
					rt.Fatalf("another sender waits: %v", denied)
				}
			},
		})
		if freed == 0 { // a token that was freed is an early one
			checkPlaces(rt, order, interval)
		}
		for turns := 0; len(due) > 0; turns++ {
			if turns > 10*(next+1) {
				rt.Fatalf("%d messages never go", len(due))
			}
			now = now.Add(interval + time.Millisecond)
			srv.SetTime(now)
			retry()
		}
		late := int(lostAfter/interval) + 1 // those of messages that come a little late go at once
		for i := range granted {
			for j := i + burst + late; j < len(granted); j++ {
				if least := time.Duration(j-i+1-burst-late) * interval; granted[j].Sub(granted[i]) < least-2*time.Microsecond*time.Duration(j-i) {
					rt.Fatalf("%d tokens within %s, at a pace of one in %s and %d at once", j-i+1, granted[j].Sub(granted[i]), interval, burst+late)
				}
			}
		}
	})
}

// checkPlaces checks that messages come back in the order in which they came, an
// interval apart.
func checkPlaces(rt *rapid.T, order []time.Time, interval time.Duration) {
	if !slices.IsSortedFunc(order, time.Time.Compare) {
		rt.Fatalf("later messages come back earlier: %v", order)
	}
	for i := 1; i < len(order); i++ {
		if gap := order[i].Sub(order[i-1]); gap < interval-2*time.Microsecond && gap > 0 && gap < interval/2 {
			rt.Fatalf("two messages come back within %s of a pace of %s", gap, interval)
		}
	}
}

// TestSenderKeepsItsPaceOverProcesses: two processes share the pace of a sender, and
// a token whose call was not begun is given to its message again.
func TestSenderKeepsItsPaceOverProcesses(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	here := sendersPacer(t, rdb, 1000, SenderLimit{PerSecond: 0.83}, nil)
	there := sendersPacer(t, rdb, 1000, SenderLimit{PerSecond: 0.83}, nil)
	if denied := take(t, here, from(limited, 1)); denied != nil {
		t.Fatal(denied)
	}
	second, third := take(t, there, from(limited, 2)), take(t, here, from(limited, 3))
	if second == nil || third == nil || third.RetryIn-second.RetryIn < time.Second {
		t.Fatalf("%v, %v", second, third)
	}
	if again := take(t, here, from(limited, 2)); again == nil || again.RetryIn > second.RetryIn {
		t.Errorf("a message that comes early has another place: %v", again)
	}
	if denied := take(t, there, from(unlimited, 4)); denied != nil {
		t.Errorf("another sender: %v", denied)
	}
	if err := here.release(t.Context(), here.senders.claim(from(limited, 1))); err != nil {
		t.Fatal(err)
	}
	if denied := take(t, there, from(limited, 1)); denied != nil {
		t.Errorf("a token that was given back is gone: %v", denied)
	}
}

// TestDailyLimitOfASender: first requests count, retries do not, and the day ends at
// midnight in Los Angeles, also when the clocks change.
func TestDailyLimitOfASender(t *testing.T) {
	t.Parallel()
	zone := losAngeles()
	for _, day := range []time.Time{
		time.Date(2026, 7, 1, 22, 0, 0, 0, zone), time.Date(2026, 3, 8, 1, 0, 0, 0, zone), time.Date(2026, 11, 1, 0, 30, 0, 0, zone),
	} {
		rdb := redistest.Shared(t).Client(t)
		now := day
		p := sendersPacer(t, rdb, 0, SenderLimit{Daily: 2}, func() time.Time { return now })
		retry := from(limited, 1)
		retry.Attempts = 1
		for i, m := range []*message.Message{from(limited, 1), retry, from(limited, 2), retry} {
			if denied := take(t, p, m); denied != nil {
				t.Fatalf("%d: %v", i, denied)
			}
		}
		midnight := time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, zone)
		denied := take(t, p, from(limited, 3))
		if denied == nil || denied.Cause != CauseDaily || !denied.Until.Equal(midnight) || denied.RetryIn != midnight.Sub(now) {
			t.Fatalf("%+v, want until %s", denied, midnight)
		}
		if err := p.release(t.Context(), p.senders.claim(from(limited, 2))); err != nil {
			t.Fatal(err)
		}
		if denied := take(t, p, from(limited, 3)); denied != nil {
			t.Errorf("the day of a call that was not begun: %v", denied)
		}
		if denied := take(t, p, from(unlimited, 4)); denied != nil {
			t.Errorf("another sender: %v", denied)
		}
		if now = midnight; take(t, p, from(limited, 5)) != nil {
			t.Errorf("no new day at %s", midnight)
		}
	}
}

// TestRecipientsCountForTheirSender: a request for several recipients takes a token of
// the sender for each.
func TestRecipientsCountForTheirSender(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := sendersPacer(t, rdb, 0, SenderLimit{PerSecond: 0.1, Daily: 100}, nil)
	if denied := take(t, p, from(limited, 1)); denied != nil {
		t.Fatal(denied)
	}
	ctx, cancel := contextFor(t, 100*time.Millisecond)
	defer cancel()
	if got := p.extend(ctx, message.Normal, p.senders.claim(from(limited, 1)), 5); got != 0 {
		t.Errorf("%d recipients at once, want none", got)
	}
	if n := rdb.Get(t.Context(), p.senders.dayKey(p.redis, limited)).Val(); n != "1" {
		t.Errorf("the day has %s messages", n)
	}
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// TestCanceledMessagesFreeTheirTokens: a sender whose batch was canceled is not
// delayed by it, and the messages that still wait keep their tokens.
func TestCanceledMessagesFreeTheirTokens(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	limits := PacerOptions{Senders: map[string]SenderLimit{"+" + limited: {PerSecond: 1}}}
	p, reservations := NewPacer(rdb, limits), NewReservations(rdb, limits)
	const waiting = 100
	due := make([]time.Duration, waiting)
	for n := range due {
		if denied := take(t, p, from(limited, n)); denied != nil {
			due[n] = denied.RetryIn
		}
	}
	const kept = waiting - 1
	for n := range kept {
		if err := reservations.Free(t.Context(), from(limited, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := reservations.Free(t.Context(), from(unlimited, waiting)); err != nil {
		t.Fatal(err)
	}
	next := take(t, p, from(limited, waiting))
	if next == nil || next.RetryIn > due[kept]/2 {
		t.Errorf("the next message waits: %v, the canceled ones for up to %s", next, due[kept])
	}
	if again := take(t, p, from(limited, kept)); again == nil || again.RetryIn < due[kept]/2 {
		t.Errorf("the message that was not canceled has another token: %v, it was to come back in %s", again, due[kept])
	}
	if err := reservations.Free(t.Context(), from(limited, kept)); err != nil {
		t.Fatal(err)
	}
	if err := reservations.Free(t.Context(), from(limited, waiting)); err != nil {
		t.Fatal(err)
	}
	if last := take(t, p, from(limited, waiting+1)); last != nil && last.RetryIn > 2*time.Second {
		t.Errorf("nothing is reserved, and the next message waits: %v", last)
	}
}
