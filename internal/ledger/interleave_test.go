package ledger_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// TestConcurrentActorsKeepTheTable lets worker, receipts, caller and sweeper
// change one message at the same time in a real Redis. Whatever wins, every
// step is one of the table, and the version grows by one a write.
func TestConcurrentActorsKeepTheTable(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		m := accept(t, l, request(""))
		rounds := rapid.IntRange(1, 6).Draw(rt, "rounds")
		last := version(t, rdb, m.ID)
		for range rounds {
			var (
				wg    sync.WaitGroup
				taken atomic.Int64
			)
			for range rapid.IntRange(2, 8).Draw(rt, "actors") {
				actor := rapid.SampledFrom(actors()).Draw(rt, "actor")
				attempt := rapid.IntRange(1, 3).Draw(rt, "attempt")
				wg.Go(func() {
					_, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
						return actor.step(t, m, attempt, now)
					})
					if _, left := errors.AsType[*message.TransitionError](err); left || errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("actor: %v", err)
					}
					if err == nil {
						taken.Add(1)
					}
				})
			}
			wg.Wait()
			now := version(t, rdb, m.ID)
			if now < last || now > last+int(taken.Load()) {
				t.Errorf("%s went from version %d to %d", m.ID, last, now)
			}
			last = now
		}
		checkLists(t, l, rdb, m.ID)
	})
}

// version is the number at the head of a record.
func version(t *testing.T, rdb *redis.Client, id message.ID) int {
	t.Helper()
	record, err := rdb.Get(t.Context(), ledger.DefaultPrefix+id.Identity()).Result()
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(record, ":")
	n, err := strconv.Atoi(head)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// actor is a component that changes messages, with its trigger in the table.
type actor struct {
	on     message.Trigger
	change func(m *message.Message, attempt int, now time.Time) error
}

// step applies an actor's change to a copy and checks every transition of it
// against the table. The copy is written unless another writer was faster. Only the
// last entries of the timeline are kept, so that it is never full.
func (a actor) step(t *testing.T, m *message.Message, attempt int, now time.Time) error {
	m.Timeline = m.Timeline[max(0, len(m.Timeline)-1):]
	at := m.Timeline[0].Status
	if at != m.Status {
		t.Errorf("%s: timeline ends with %s, message is %s", m.ID, at, m.Status)
	}
	err := a.change(m, attempt, now)
	for _, e := range m.Timeline[1:] {
		if e.Status != at && !message.Allowed(at, e.Status, a.on) {
			t.Errorf("%s: from %s to %s on %s", m.ID, at, e.Status, a.on)
		}
		at = e.Status
	}
	return err
}

func actors() []actor {
	retry := message.Retry{Max: 3, Delay: func(int) time.Duration { return 0 }}
	conclude := func(kind message.OutcomeKind) actor {
		return actor{message.OnOutcome, func(m *message.Message, n int, now time.Time) error {
			return m.Conclude(n, message.Outcome{Kind: kind, Code: message.ReasonInternal}, retry, now)
		}}
	}
	receive := func(state message.ReceiptState) actor {
		return actor{message.OnReceipt, func(m *message.Message, n int, now time.Time) error {
			if n > m.Attempts {
				return nil
			}
			return m.Receive(message.Receipt{Attempt: n, State: state, SinchCode: string(state)}, now)
		}}
	}
	return []actor{
		{message.OnBegin, func(m *message.Message, _ int, now time.Time) error {
			return m.Begin(m.Task, message.Attempt{Worker: "w", Deadline: now}, now)
		}},
		conclude(message.OutcomeAccepted), conclude(message.OutcomeRefused), conclude(message.OutcomeNotSent),
		conclude(message.OutcomeUnknown), conclude(message.OutcomeNotBegun),
		receive(message.ReceiptSent), receive(message.ReceiptDelivered), receive(message.ReceiptUndelivered),
		{message.OnOutcome, func(m *message.Message, n int, now time.Time) error {
			return m.Absent(n, message.Absence{Lookups: message.LookupsNeeded, Over: time.Hour}, time.Nanosecond, retry, now)
		}},
		{message.OnRollback, func(m *message.Message, n int, now time.Time) error {
			return m.Restore(message.Attempt{N: n, Worker: "w", Deadline: now}, now)
		}},
		{message.OnCancel, func(m *message.Message, _ int, now time.Time) error { return m.Cancel(now) }},
		{message.OnReplay, func(m *message.Message, _ int, now time.Time) error { return m.Replay(true, time.Time{}, now) }},
		{message.OnRefuse, func(m *message.Message, _ int, now time.Time) error {
			if !m.Status.Waiting() {
				return nil
			}
			return m.Refuse(message.Reason{Code: message.ReasonMedia}, now)
		}},
		{"", func(m *message.Message, _ int, now time.Time) error { return m.Reissue(now) }},
	}
}

// checkLists holds the lists of the ledger against the state.
func checkLists(t *testing.T, l *ledger.Ledger, rdb *redis.Client, id message.ID) {
	t.Helper()
	m, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for list, on := range map[ledger.Queue]bool{
		ledger.Waiting: m.Status.Waiting(),
		ledger.Calls:   m.Status == message.StatusSending,
		ledger.Unknown: m.Status == message.StatusUnknown,
	} {
		key := ledger.DefaultPrefix + string(list)
		if list == ledger.Waiting {
			key = waitingList(m)
		}
		_, err := rdb.ZScore(t.Context(), key, id.Packed()).Result()
		if (err == nil) != on {
			t.Errorf("%s: %s, list %s: %v", id, m.Status, list, err)
		}
	}
}
