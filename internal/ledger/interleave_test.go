package ledger_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
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
			lines := history(t, l, m.ID)
			var wg sync.WaitGroup
			for range rapid.IntRange(2, 8).Draw(rt, "actors") {
				change := rapid.SampledFrom(actors()).Draw(rt, "actor")
				attempt := rapid.IntRange(1, 3).Draw(rt, "attempt")
				wg.Go(func() {
					_, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error { return change(m, attempt, now) })
					if _, left := errors.AsType[*message.TransitionError](err); left || errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("actor: %v", err)
					}
				})
			}
			wg.Wait()
			now := version(t, rdb, m.ID)
			if now < last || now == last && history(t, l, m.ID) != lines {
				t.Errorf("%s went from version %d to %d", m.ID, last, now)
			}
			last = now
		}
		checkHistory(t, l, rdb, m.ID)
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

// history is how many lines the timeline has.
func history(t *testing.T, l *ledger.Ledger, id message.ID) int {
	t.Helper()
	m, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return len(m.Timeline)
}

type actor func(m *message.Message, attempt int, now time.Time) error

func actors() []actor {
	retry := message.Retry{Max: 3, Delay: func(int) time.Duration { return 0 }}
	conclude := func(kind message.OutcomeKind) actor {
		return func(m *message.Message, n int, now time.Time) error {
			return m.Conclude(n, message.Outcome{Kind: kind, Code: message.ReasonInternal}, retry, now)
		}
	}
	receive := func(state message.ReceiptState) actor {
		return func(m *message.Message, n int, now time.Time) error {
			if n > m.Attempts {
				return nil
			}
			return m.Receive(message.Receipt{Attempt: n, State: state, SinchCode: string(state)}, now)
		}
	}
	return []actor{
		func(m *message.Message, _ int, now time.Time) error {
			return m.Begin(m.Task, message.Attempt{Worker: "w", Deadline: now}, now)
		},
		conclude(message.OutcomeAccepted), conclude(message.OutcomeRefused), conclude(message.OutcomeNotSent),
		conclude(message.OutcomeUnknown), conclude(message.OutcomeNotBegun),
		receive(message.ReceiptSent), receive(message.ReceiptDelivered), receive(message.ReceiptUndelivered),
		func(m *message.Message, n int, now time.Time) error { return m.Absent(n, time.Nanosecond, retry, now) },
		func(m *message.Message, _ int, now time.Time) error { return m.Cancel(now) },
		func(m *message.Message, _ int, now time.Time) error { return m.Replay(true, time.Time{}, now) },
		func(m *message.Message, _ int, now time.Time) error { return m.Reissue(now) },
	}
}

// checkHistory holds the timeline against the table, and the lists and counts
// of the ledger against the state.
func checkHistory(t *testing.T, l *ledger.Ledger, rdb *redis.Client, id message.ID) {
	t.Helper()
	m, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Timeline) < 50 { // beyond that the middle is missing
		for i, e := range m.Timeline[1:] {
			if before := m.Timeline[i].Status; before != e.Status && !known(before, e.Status) {
				t.Errorf("%s: from %s to %s", id, before, e.Status)
			}
		}
	}
	_, waits := rdb.ZScore(t.Context(), "mms:{m}:waiting", id.Packed()).Result()
	_, calls := rdb.ZScore(t.Context(), "mms:{m}:calls", id.Packed()).Result()
	if (waits == nil) != m.Status.Waiting() {
		t.Errorf("%s: %s, waiting list: %v", id, m.Status, waits)
	}
	if (calls == nil) != (m.Status == message.StatusSending || m.Status == message.StatusUnknown) {
		t.Errorf("%s: %s, list of calls: %v", id, m.Status, calls)
	}
}

func known(from, to message.Status) bool {
	for _, e := range message.Edges() {
		if e.From == from && e.To == to {
			return true
		}
	}
	return false
}
