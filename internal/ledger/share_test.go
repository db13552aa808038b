package ledger_test

import (
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

func of(tenant string, r ledger.Request) ledger.Request {
	r.Scope.Tenant = tenant
	return r
}

// A tenant's messages fill its share of a lane, the scheduled ones included, and
// leave the rest to others. A message that is sent frees its room.
func TestTenantLimit(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{LaneLimit: 5, TenantLimit: 2})
	first := accept(t, l, request(""))
	scheduled := request("")
	scheduled.Content.SendAt = time.Now().Add(time.Hour)
	accept(t, l, scheduled)
	if _, err := l.Accept(t.Context(), request("")); !errors.Is(err, ledger.ErrTenantFull) {
		t.Fatalf("a third one: %v", err)
	}
	other := request("")
	other.Content.Priority = message.High
	accept(t, l, other) // each lane has its own
	test := request("")
	test.Scope.Test = true
	accept(t, l, test)
	accept(t, l, of("other", request("")))
	begin(t, l, first.ID, "w1")
	accept(t, l, request(""))
	if _, err := l.Accept(t.Context(), request("")); !errors.Is(err, ledger.ErrTenantFull) {
		t.Fatalf("a third one that waits: %v", err)
	}
	accept(t, l, of("other", request("")))
	if _, err := l.Accept(t.Context(), of("third", request(""))); err != nil {
		t.Fatalf("the lane has room for one: %v", err)
	}
	if _, err := l.Accept(t.Context(), of("third", request(""))); !errors.Is(err, ledger.ErrFull) || errors.Is(err, ledger.ErrTenantFull) {
		t.Fatalf("a full lane: %v", err)
	}
}

// shareOf is what Redis counts of a tenant.
func shareOf(tb testing.TB, rdb *redis.Client, tenant string) map[string]int64 {
	tb.Helper()
	share := make(map[string]int64)
	for field, text := range rdb.HGetAll(tb.Context(), "mms:{m}:tenant:"+tenant).Val() {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		if n != 0 && field != "period" {
			share[field] = n
		}
	}
	return share
}

// The bytes of a tenant are those of its records: they move to the period in which
// a record expires, and back when the message is replayed.
func TestBytesOfATenant(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	m := accept(t, l, request("order-1"))
	size := func() int64 { return rdb.StrLen(t.Context(), "mms:{m}:"+m.ID.Identity()).Val() * 6 / 5 } // as the allocator rounds
	const open, kept = 700, 250
	wants := func(when, counter string, bytes int64, expires bool) {
		t.Helper()
		share := shareOf(t, rdb, "shop")
		if share["total"] != bytes || share["bytes"] != 0 == expires {
			t.Errorf("%s: %v; want %d bytes", when, share, bytes)
		}
		if expires && len(share) != 2 || !expires && (len(share) != 3 || share[counter] != 1) {
			t.Errorf("%s: %v", when, share)
		}
	}
	wants("accepted", "queued:normal", size()+open, false)
	begin(t, l, m.ID, "w1")
	wants("sending", "sending:normal", size()+open, false)
	change := func(c ledger.Change) {
		t.Helper()
		if _, err := l.Update(t.Context(), m.ID, c); err != nil {
			t.Fatal(err)
		}
	}
	change(func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonContent}, message.Retry{}, now)
	})
	wants("failed", "", size()+kept, true)
	change(func(m *message.Message, now time.Time) error { return m.Replay(false, time.Time{}, now) })
	wants("replayed", "queued:normal", size()+open, false)
	change(func(m *message.Message, now time.Time) error { return m.Cancel(now) })
	wants("canceled", "", size()+kept, true)
}

// crowded is a ledger on a Redis of its own with little room.
func crowded(t *testing.T, room int64, opts ledger.Options) (*ledger.Ledger, *redis.Client) {
	t.Helper()
	rdb := redistest.Start(t, redistest.WithArgs("--maxmemory-policy", "noeviction")).Client(t)
	if opts.RecordTTL == 0 {
		opts.RecordTTL = time.Hour
	}
	l, err := ledger.New(rdb, opts)
	if err != nil {
		t.Fatal(err)
	}
	accept(t, l, of("first", request("known"))) // the scripts and the pools have their memory
	limitMemory(t, rdb, room)
	if err := l.ReadMemory(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, rdb
}

// limitMemory has Redis' memory end above what it uses.
func limitMemory(t *testing.T, rdb *redis.Client, room int64) {
	t.Helper()
	if err := rdb.ConfigSet(t.Context(), "maxmemory", strconv.FormatInt(usedMemory(t, rdb)+room, 10)).Err(); err != nil {
		t.Fatal(err)
	}
}

func usedMemory(t *testing.T, rdb *redis.Client) int64 {
	t.Helper()
	text := rdb.Info(t.Context(), "memory").Val()
	_, rest, _ := strings.Cut(text, "used_memory:")
	digits, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// large has a record of some kilobytes.
func large(tenant string) ledger.Request {
	r := of(tenant, request(""))
	r.Content.Text = strings.Repeat("x", 5000)
	return r
}

// acceptUntil accepts messages until one is refused.
func acceptUntil(t *testing.T, l *ledger.Ledger, tenant string) (n int, err error) {
	t.Helper()
	for ; err == nil; n++ {
		_, err = l.Accept(t.Context(), large(tenant))
	}
	return n - 1, err
}

// Though the memory was read once only, messages are refused before it runs out:
// what is accepted is counted. A tenant is refused first, at its share.
func TestMemoryIsSharedAndNotOverrun(t *testing.T) {
	t.Parallel()
	l, rdb := crowded(t, 30<<20, ledger.Options{TenantMemory: 50})
	limit := number(t, rdb.ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"])
	n, err := acceptUntil(t, l, "greedy")
	if !errors.Is(err, ledger.ErrTenantFull) || n == 0 {
		t.Fatalf("after %d messages: %v", n, err)
	}
	if total := shareOf(t, rdb, "greedy")["total"]; total > limit*85/100/2 || total < limit*80/100/2 {
		t.Errorf("its messages have %d bytes of %d", total, limit)
	}
	if n, err = acceptUntil(t, l, "other"); !errors.Is(err, ledger.ErrFull) || errors.Is(err, ledger.ErrTenantFull) || n == 0 {
		t.Fatalf("another tenant, after %d messages: %v", n, err)
	}
	if used := usedMemory(t, rdb); used > limit*92/100 || used < limit*65/100 {
		t.Errorf("%d bytes of %d are used", used, limit)
	}
	again, err := l.Accept(t.Context(), of("first", request("known")))
	if err != nil || !again.Duplicate {
		t.Errorf("a known reference: %+v, %v", again, err)
	}
}

// With memory used up no message is accepted, known references are found, and
// accepted messages can reach a final state.
func TestResolvedWhileMemoryIsFull(t *testing.T) {
	t.Parallel()
	l, rdb := crowded(t, 30<<20, ledger.Options{TenantMemory: 100})
	m := accept(t, l, request("order-1"))
	begin(t, l, m.ID, "w1")
	limitMemory(t, rdb, -1<<20)
	if err := rdb.Set(t.Context(), "any", "", 0).Err(); err == nil {
		t.Fatal("Redis has room")
	}
	if _, err := l.Accept(t.Context(), request("")); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("a message: %v", err)
	}
	if again, err := l.Accept(t.Context(), request("order-1")); err != nil || !again.Duplicate {
		t.Errorf("a known reference: %+v, %v", again, err)
	}
	sent, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
	})
	if err != nil || sent.Status != message.StatusSent {
		t.Errorf("the outcome of a call: %v, %v", sent, err)
	}
}

// Expired records no longer count in the share of their tenant.
func TestExpiredBytesLeaveTheShare(t *testing.T) {
	t.Parallel()
	const ttl = 200 * time.Millisecond
	l, rdb := crowded(t, 30<<20, ledger.Options{TenantMemory: 50, RecordTTL: ttl})
	r := large("shop")
	r.Content.Text = ""
	for len(r.Content.Text) < 4900 {
		r.Content.Text += rand.Text() // compression takes a few bytes of it only
	}
	m := accept(t, l, r)
	if _, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error { return m.Cancel(now) }); err != nil {
		t.Fatal(err)
	}
	if share := shareOf(t, rdb, "shop"); share["total"] < 5000 {
		t.Fatalf("%v", share)
	}
	gone := time.Now().Add(2 * time.Minute)
	for shareOf(t, rdb, "shop")["total"] > 3000 {
		if time.Now().After(gone) {
			t.Fatalf("%v", shareOf(t, rdb, "shop"))
		}
		fresh := accept(t, l, request("")) // reads the share
		if _, err := l.Update(t.Context(), fresh.ID, func(m *message.Message, now time.Time) error { return m.Cancel(now) }); err != nil {
			t.Fatal(err)
		}
		<-time.After(ttl / 4) // the clock of Redis cannot be moved
	}
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A test message of unknown outcome expires, with all that lists and counts it; a
// live one is kept.
func TestUnknownTestMessagesExpire(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	for _, test := range []bool{false, true} {
		r := request("")
		r.Scope.Test = test
		b, _, err := l.OpenBatch(t.Context(), ledger.BatchRequest{Scope: r.Scope, Reference: "campaign", Now: r.Now})
		if err != nil {
			t.Fatal(err)
		}
		results, err := l.AcceptRows(t.Context(), b, []ledger.Row{{Content: r.Content, From: r.From}})
		if err != nil {
			t.Fatal(err)
		}
		m := results[0].Message
		begin(t, l, m.ID, "w1")
		if _, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
			return m.Conclude(1, message.Outcome{Kind: message.OutcomeUnknown, Detail: "no answer"}, message.Retry{}, now)
		}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{m.ID.Identity(), "unknown:" + r.Scope.String(), "batch:" + b.ID.Identity()} {
			if expires := rdb.PTTL(t.Context(), "mms:{m}:"+key).Val() > 0; expires != test {
				t.Errorf("test message %t: %s expires %t", test, key, expires)
			}
		}
		if rdb.PTTL(t.Context(), "mms:{m}:batches:"+r.Scope.String()).Val() <= 0 {
			t.Error("the list of batches is kept for ever")
		}
	}
	if share := shareOf(t, rdb, "shop"); share["unknown:normal"] != 1 || share["unknown:normal:test"] != 0 {
		t.Errorf("%v", share)
	}
}
