package jobs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/receipt"
)

func optOutKey(number string) string { return ledger.DefaultPrefix + "out:" + number }

// fakeOptOuts writes a record of opt-outs for the ledger, and answers lookups by its
// fields.
type fakeOptOuts struct {
	rdb redis.UniversalClient

	mu         sync.Mutex
	suppressed bool
	failures   int // of the next lookups
	lookups    int
	blocked    []string
}

func (f *fakeOptOuts) add(t *testing.T, number string, suppressed bool) {
	t.Helper()
	if err := f.rdb.HSet(t.Context(), optOutKey(number), "field", "value").Err(); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.suppressed = suppressed
}

func (f *fakeOptOuts) Suppressed(context.Context, message.Scope, string, string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups++
	if f.failures > 0 {
		f.failures--
		return false, errors.New("redis is down")
	}
	return f.suppressed, nil
}

func (f *fakeOptOuts) Block(_ context.Context, scope message.Scope, number, sender, code string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocked = append(f.blocked, scope.String()+" "+number+" "+sender+" "+code)
	return nil
}

// seen are the numbers that were blocked, and how often opt-outs were looked up.
func (f *fakeOptOuts) seen() (blocked []string, lookups int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blocked, f.lookups
}

func TestSuppressedBeforeTheCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.optOuts.add(t, m.Content.To, true) // after it was accepted
	b.run(t)
	b.dispatch(t, m)
	got := b.await(t, m.ID, message.StatusFailed)
	if got.Reason.Code != message.ReasonSuppressed || got.Reason.SinchCode != "" || got.Attempts != 0 || b.sinch.count(m.ID) != 0 {
		t.Errorf("reason %+v after %d attempts, %d calls", got.Reason, got.Attempts, b.sinch.count(m.ID))
	}

	b.optOuts.add(t, m.Content.To, false)
	replayed, err := b.ledger.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
		return m.Replay(false, time.Time{}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	b.dispatch(t, replayed)
	b.await(t, m.ID, message.StatusSent)
	if _, lookups := b.optOuts.seen(); lookups != 2 {
		t.Errorf("%d lookups, want one a run", lookups)
	}
}

func TestOthersCostNoLookup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.optOuts.add(t, "+12065559999", true)
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.await(t, m.ID, message.StatusSent)
	if _, lookups := b.optOuts.seen(); lookups != 0 {
		t.Errorf("%d lookups, want none", lookups)
	}
}

// A message is not sent while the opt-outs cannot be read.
func TestNoCallWhileOptOutsAreUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.optOuts.add(t, m.Content.To, true)
	b.optOuts.failures = 1
	b.run(t)
	b.dispatch(t, m)
	b.await(t, m.ID, message.StatusFailed)
	if _, lookups := b.optOuts.seen(); lookups != 2 || b.sinch.count(m.ID) != 0 {
		t.Errorf("%d lookups, %d calls", lookups, b.sinch.count(m.ID))
	}
}

// simulated is the simulator, whose blocks are not recorded.
type simulated struct{ *fakeSinch }

func (s simulated) For(*message.Message) sinch.Provider { return s }
func (simulated) Origin() sinch.Origin                  { return sinch.Origin{API: sinch.APISimulator} }

func TestBlockedBySinch(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"sinch": 1, "simulator": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.sinch.answer = func(int, sinch.Message) message.Outcome {
				return message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonSuppressed, SinchCode: "E114", Suppress: true}
			}
			if name == "simulator" {
				b.opts.Providers = simulated{b.sinch}
			}
			b.run(t)
			m := b.accept(t)
			b.dispatch(t, m)
			b.await(t, m.ID, message.StatusFailed)
			blocked, _ := b.optOuts.seen() // before the message failed
			if len(blocked) != want || want == 1 && blocked[0] != "shop:live +12065551212 +12065550000 E114" {
				t.Errorf("blocked %d numbers, want %d", len(blocked), want)
			}
		})
	}
}

func TestBlockedByAReceipt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.await(t, m.ID, message.StatusSent)
	receiver := receipts.New(b.ledger, b.optOuts, nil, nil, zerolog.Nop())
	for _, code := range []message.ReasonCode{message.ReasonSuppressed, message.ReasonCarrier} {
		result, err := receiver.Apply(t.Context(), receipt.Receipt{
			Shape: "fake", Kind: receipt.KindReport, Ref: m.ID.AttemptRef(1),
			State: message.ReceiptUndelivered, Code: code, SinchCode: "3001",
		})
		if err != nil || result != receipts.Applied {
			t.Fatalf("%s, %v", result, err)
		}
	}
	if blocked, _ := b.optOuts.seen(); len(blocked) != 1 {
		t.Errorf("blocked %d numbers, want one", len(blocked))
	}
}
