package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// consumers switches consumers on for every message.
func consumers(some ...ledger.Consumer) ledger.Options {
	var on ledger.Consumers
	for _, c := range some {
		on = on.With(c)
	}
	return ledger.Options{Consumers: func(*message.Message) ledger.Consumers { return on }}
}

// changed reads the list of a consumer.
func changed(tb testing.TB, l *ledger.Ledger, c ledger.Consumer, want int) []ledger.Changed {
	tb.Helper()
	found, err := l.Changed(tb.Context(), c, 100)
	if err != nil || len(found) != want {
		tb.Fatalf("%d changed messages, %v; want %d", len(found), err, want)
	}
	return found
}

func handle(tb testing.TB, l *ledger.Ledger, c ledger.Consumer, done []ledger.Changed) {
	tb.Helper()
	if err := l.Handled(tb.Context(), c, done); err != nil {
		tb.Fatal(err)
	}
}

// sent takes a message through an attempt that Sinch accepts.
func sent(tb testing.TB, l *ledger.Ledger, id message.ID) {
	tb.Helper()
	begin(tb, l, id, "w1")
	_, err := l.Update(tb.Context(), id, func(m *message.Message, now time.Time) error {
		return m.Conclude(m.Attempts, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// recordTTL is the time that the record of the only message is still kept; -1: no end.
func recordTTL(tb testing.TB, rdb *redis.Client, id message.ID) time.Duration {
	tb.Helper()
	ttl, err := rdb.PTTL(tb.Context(), ledger.DefaultPrefix+id.Identity()).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return ttl
}

func TestNothingIsListedWithoutAConsumer(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	m := accept(t, l, request("order-1"))
	sent(t, l, m.ID)
	keys, err := rdb.Keys(t.Context(), "*changed*").Result()
	if err != nil || len(keys) != 0 {
		t.Errorf("keys %v, %v", keys, err)
	}
	if ttl := recordTTL(t, rdb, m.ID); ttl <= 0 {
		t.Errorf("TTL %v", ttl)
	}
}

// A message is on the list once, however often it changes, and keeps its record
// until the last consumer has handled it.
func TestChangedMessageIsListedOnce(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, consumers(ledger.ConsumerLog, ledger.ConsumerCallbacks))
	m := accept(t, l, request("order-1"))
	sent(t, l, m.ID)
	found := changed(t, l, ledger.ConsumerCallbacks, 1)
	if found[0].ID != m.ID || found[0].Message.Status != message.StatusSent || found[0].Version() != 3 {
		t.Errorf("%v is %v of version %d", found[0].ID, found[0].Message.Status, found[0].Version())
	}
	handle(t, l, ledger.ConsumerCallbacks, found)
	changed(t, l, ledger.ConsumerCallbacks, 0)
	if ttl := recordTTL(t, rdb, m.ID); ttl != -1 {
		t.Errorf("listed, and TTL %v", ttl)
	}
	handle(t, l, ledger.ConsumerLog, changed(t, l, ledger.ConsumerLog, 1))
	if ttl := recordTTL(t, rdb, m.ID); ttl <= time.Hour-time.Minute || ttl > time.Hour {
		t.Errorf("handled by all, and TTL %v", ttl)
	}
}

// An open message keeps its record for good.
func TestHandledOpenMessageHasNoTTL(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, consumers(ledger.ConsumerLog))
	m := accept(t, l, request("order-1"))
	handle(t, l, ledger.ConsumerLog, changed(t, l, ledger.ConsumerLog, 1))
	if ttl := recordTTL(t, rdb, m.ID); ttl != -1 {
		t.Errorf("TTL %v", ttl)
	}
}

// What has changed since it was read stays on the list.
func TestChangeWhileHandlingStaysListed(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, consumers(ledger.ConsumerCallbacks))
	m := accept(t, l, request("order-1"))
	other := accept(t, l, request("order-2"))
	found := changed(t, l, ledger.ConsumerCallbacks, 2)
	sent(t, l, m.ID)
	handle(t, l, ledger.ConsumerCallbacks, found)
	rest := changed(t, l, ledger.ConsumerCallbacks, 1)
	if rest[0].ID != m.ID || rest[0].Message.Status != message.StatusSent {
		t.Errorf("%v is on the list, want %v without %v", rest[0].ID, m.ID, other.ID)
	}
}

func TestRowsOfABatchAreListed(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, consumers(ledger.ConsumerCallbacks))
	b, _ := openBatch(t, l, "campaign", "")
	if accepted, _, errs := acceptRows(t, l, b, rows(60, "")); accepted != 60 {
		t.Fatalf("%d of 60 rows accepted, %v", accepted, errs)
	}
	changed(t, l, ledger.ConsumerCallbacks, 60)
	n, oldest, err := l.Backlog(t.Context(), ledger.ConsumerCallbacks)
	if err != nil || n != 60 || oldest < 0 || oldest > time.Minute {
		t.Errorf("%d messages, the oldest for %v, %v", n, oldest, err)
	}
}

func TestMissingRecordIsTakenOff(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, consumers(ledger.ConsumerLog))
	m := accept(t, l, request("order-1"))
	if err := rdb.Del(t.Context(), ledger.DefaultPrefix+m.ID.Identity()).Err(); err != nil {
		t.Fatal(err)
	}
	found := changed(t, l, ledger.ConsumerLog, 1)
	if !errors.Is(found[0].Err, ledger.ErrNotFound) {
		t.Fatalf("%v", found[0].Err)
	}
	handle(t, l, ledger.ConsumerLog, found)
	changed(t, l, ledger.ConsumerLog, 0)
}

// A message whose first change is recent is not settled; later changes do not make it
// wait again.
func TestSettledMessages(t *testing.T) {
	t.Parallel()
	now := time.Now
	opts := consumers(ledger.ConsumerCallbacks)
	opts.Now = func() time.Time { return now() }
	l, _ := newLedger(t, opts)
	m := accept(t, l, request("order-1"))
	settled := func(ago time.Duration) int {
		t.Helper()
		found, err := l.ChangedSettled(t.Context(), ledger.ConsumerCallbacks, ago, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := settled(time.Hour); n != 0 {
		t.Errorf("%d messages are settled at once", n)
	}
	sent(t, l, m.ID)
	now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if n := settled(time.Hour); n != 1 {
		t.Errorf("%d messages are settled later, want 1", n)
	}
}

// The counts of all scopes are listed from a day on, also those of batches that were
// rejected as a whole and of duplicates.
func TestUsageOfAllScopes(t *testing.T) {
	t.Parallel()
	day := time.Now().UTC()
	opts := ledger.Options{Now: func() time.Time { return day }}
	l, rdb := newLedger(t, opts)
	accept(t, l, request("order-1"))
	others := []message.Scope{{Tenant: "others", Test: true}, {Tenant: "a-third"}}
	for range 2 {
		if err := l.CountDuplicate(t.Context(), others[0]); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := openBatch(t, l, "campaign", "")
	if err := l.CountBatch(t.Context(), others[1], b.ID, ledger.Tally{Rejected: 3}); err != nil {
		t.Fatal(err)
	}
	if n := rdb.ZCard(t.Context(), ledger.DefaultPrefix+"usages").Val(); n != 3 {
		t.Errorf("%d days are listed, want 3", n)
	}
	all, err := l.UsageSince(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[message.Scope]int64)
	for _, u := range all {
		counts[u.Scope] = u.Accepted + 10*u.Duplicates + 100*u.Rejected
		if !u.Day.Equal(day.Truncate(24 * time.Hour)) {
			t.Errorf("%v is of %v", u.Scope, u.Day)
		}
	}
	if len(all) != 3 || counts[others[0]] != 20 || counts[others[1]] != 300 {
		t.Errorf("%v", counts)
	}
	if later, err := l.UsageSince(t.Context(), day.AddDate(0, 0, 1)); err != nil || len(later) != 0 {
		t.Errorf("%d days later, %v", len(later), err)
	}
}
