package suppression

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

const (
	phone  = "+12065551212"
	sender = "+12065550100"
	code   = "28444"
)

var (
	shop     = message.Scope{Tenant: "shop"}
	shopTest = message.Scope{Tenant: "shop", Test: true}
	bank     = message.Scope{Tenant: "bank"}
)

// noon is when a store of a test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// counted counts by labels.
type counted struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counted) count(label string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[label]++
}

func (c *counted) OptedOut(source string) { c.count("out " + source) }
func (c *counted) OptedIn(source string)  { c.count("in " + source) }
func (c *counted) Suppressed()            { c.count("suppressed") }

// bundle is a store whose clock goes a second a step.
type bundle struct {
	*Store

	rdb     *redis.Client
	metrics *counted
	clock   time.Time
}

func on(tb testing.TB, rdb *redis.Client, embedded bool) *bundle {
	tb.Helper()
	b := &bundle{rdb: rdb, metrics: &counted{counts: make(map[string]int)}, clock: noon}
	store, err := NewStore(Options{Redis: rdb, Metrics: b.metrics, Embedded: embedded})
	if err != nil {
		tb.Fatal(err)
	}
	store.nowFunc = func() time.Time { b.clock = b.clock.Add(time.Second); return b.clock }
	b.Store = store
	return b
}

func setup(tb testing.TB) *bundle {
	tb.Helper()
	return on(tb, redistest.Shared(tb).Client(tb), false)
}

func (b *bundle) add(tb testing.TB, scope message.Scope, number, from string) {
	tb.Helper()
	if _, _, err := b.Put(tb.Context(), scope, number, from, ""); err != nil {
		tb.Fatal(err)
	}
}

func (b *bundle) receives(tb testing.TB, from string, meaning Meaning, at time.Time) {
	tb.Helper()
	err := b.HandleInbound(tb.Context(), Inbound{Number: phone, Sender: from, Meaning: meaning, Word: "WORD", At: at})
	if err != nil {
		tb.Fatal(err)
	}
}

// wants checks whether a message would be kept back.
func (b *bundle) wants(tb testing.TB, what string, scope message.Scope, from string, want bool) {
	tb.Helper()
	got, err := b.Suppressed(tb.Context(), scope, phone, from)
	if err != nil || got != want {
		tb.Errorf("%s: suppressed %t, %v; want %t", what, got, err, want)
	}
}

func TestOptOutOfACaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.wants(t, "at first", shop, sender, false)
	first, created, err := b.Put(t.Context(), shop, phone, EverySender, "asked by phone")
	want := Entry{Number: phone, Reason: "asked by phone", Source: SourceAPI, CreatedAt: noon.Add(time.Second)}
	if diff := cmp.Diff(want, first); diff != "" || !created || err != nil {
		t.Errorf("created %t, %v (-want +got):\n%s", created, err, diff)
	}
	again, created, err := b.Put(t.Context(), shop, phone, EverySender, "")
	want.Reason = ""
	if diff := cmp.Diff(want, again); diff != "" || created || err != nil {
		t.Errorf("again: created %t, %v (-want +got):\n%s", created, err, diff)
	}
	b.wants(t, "one sender", shop, sender, true)
	b.wants(t, "another sender", shop, code, true)
	b.wants(t, "another tenant", bank, sender, false)
	b.wants(t, "test key", shopTest, sender, false)
	if got, err := b.Get(t.Context(), shop, phone, code); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if err := errors.Join(b.Delete(t.Context(), shop, phone, EverySender), b.Delete(t.Context(), shop, phone, EverySender)); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "deleted", shop, sender, false)
	if _, err := b.Get(t.Context(), shop, phone, EverySender); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted: %v, want ErrNotFound", err)
	}
	if n := b.metrics.counts["suppressed"]; n != 2 {
		t.Errorf("%d messages counted as suppressed, want 2", n)
	}
}

func TestOptOutOfOneSender(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, shop, phone, sender)
	b.add(t, shop, phone, code)
	b.wants(t, "one", shop, sender, true)
	b.wants(t, "none", shop, "+12065550199", false)
	if got, err := b.Get(t.Context(), shop, phone, EverySender); err != nil || got.Sender != code {
		t.Errorf("%+v, %v; want the newest", got, err)
	}
	b.add(t, shop, phone, EverySender)
	if got, err := b.Get(t.Context(), shop, phone, EverySender); err != nil || got.Sender != EverySender {
		t.Errorf("%+v, %v; want that of every sender", got, err)
	}
	if err := b.Delete(t.Context(), shop, phone, sender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "that of every sender is left", shop, sender, true)
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "all are deleted", shop, code, false)
}

// A word counts for all tenants of the sender, by the phone's time and not by
// the time it came.
func TestWordsOfThePhone(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes-60) * time.Minute) }
	type step struct {
		meaning Meaning
		at      time.Time
		want    bool
	}
	for name, steps := range map[string][]step{
		"stop and start":          {{Stop, at(1), true}, {Start, at(2), false}, {Stop, at(3), true}},
		"an older start":          {{Stop, at(2), true}, {Start, at(1), true}},
		"an older stop":           {{Start, at(2), false}, {Stop, at(1), false}},
		"repeated":                {{Stop, at(1), true}, {Stop, at(1), true}, {Start, at(2), false}, {Stop, at(1), false}},
		"of the same time":        {{Stop, at(1), true}, {Start, at(1), false}, {Stop, at(1), true}},
		"without a time":          {{Stop, time.Time{}, true}, {Start, time.Time{}, false}, {Stop, time.Time{}, true}},
		"of the future":           {{Stop, at(1_000_000), true}, {Start, time.Time{}, false}},
		"a start of the future":   {{Start, at(1_000_000), false}, {Stop, time.Time{}, true}},
		"a start without a stop":  {{Start, at(1), false}},
		"old start without times": {{Stop, time.Time{}, true}, {Start, at(1), true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for i, s := range steps {
				b.receives(t, sender, s.meaning, s.at)
				for _, scope := range []message.Scope{shop, bank} {
					b.wants(t, "step "+strconv.Itoa(i), scope, sender, s.want)
				}
				b.wants(t, "another sender", shop, code, false)
				b.wants(t, "test key", shopTest, sender, false)
				listed, err := b.List(t.Context(), shop, Position{}, 10)
				if err != nil || (len(listed) == 1) != s.want {
					t.Errorf("step %d: listed %+v, %v", i, listed, err)
				}
			}
		})
	}
}

func TestStopToNobodyKnowsWhom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.receives(t, EverySender, Stop, time.Time{})
	b.wants(t, "any sender", shop, sender, true)
}

func TestTenantTakesAStopOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.receives(t, sender, Stop, time.Time{})
	got, err := b.Get(t.Context(), shop, phone, EverySender)
	want := Entry{Number: phone, Sender: sender, Reason: "WORD", Source: SourceInbound, CreatedAt: noon.Add(time.Second)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "taken off", shop, sender, false)
	b.wants(t, "for others it counts", bank, sender, true)
	if _, err := b.Get(t.Context(), shop, phone, EverySender); !errors.Is(err, ErrNotFound) {
		t.Errorf("taken off: %v, want ErrNotFound", err)
	}
	b.receives(t, sender, Stop, noon.Add(-time.Hour))
	b.wants(t, "the old one again", shop, sender, false)
	b.receives(t, sender, Stop, time.Time{})
	b.wants(t, "a new one", shop, sender, true)
}

// Clocks differ: a STOP that another replica wrote down is taken off even if
// it seems to come from the future.
func TestTakenOffByASlowClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.receives(t, sender, Stop, time.Time{})
	b.clock = noon.Add(-time.Hour)
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "taken off", shop, sender, false)
}

func TestBlockedBySinch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	block := func() {
		t.Helper()
		if err := b.Block(t.Context(), shop, phone, sender, "E114"); err != nil {
			t.Fatal(err)
		}
	}
	block()
	got, err := b.Get(t.Context(), shop, phone, EverySender)
	if err != nil || got.Source != SourceSinch || got.Reason != "E114" || got.Sender != sender {
		t.Errorf("%+v, %v", got, err)
	}
	b.wants(t, "blocked", shop, sender, true)
	b.wants(t, "another tenant", bank, sender, false)
	b.receives(t, sender, Start, time.Time{})
	b.wants(t, "a START ends it", shop, sender, false)
	block()
	b.wants(t, "blocked again", shop, sender, true)
	b.add(t, shop, phone, sender)
	block()
	if got, err := b.Get(t.Context(), shop, phone, EverySender); err != nil || got.Source != SourceAPI {
		t.Errorf("%+v, %v; want the caller's own", got, err)
	}
	b.receives(t, sender, Start, time.Time{})
	b.wants(t, "a START does not end the caller's own", shop, sender, true)
}

func TestList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	frozen := b.clock
	b.nowFunc = func() time.Time { return frozen }
	const pairs = 120 // more than are read at a time, most of one millisecond
	var want []string
	for i := range pairs {
		number := "+1206555" + strconv.Itoa(1000+i)
		b.add(t, shop, number, EverySender)
		if err := b.HandleInbound(t.Context(), Inbound{Number: number, Sender: code, Meaning: Stop, Word: "STOP"}); err != nil {
			t.Fatal(err)
		}
		want = append(want, number+" "+EverySender, number+" "+code)
	}
	b.add(t, shop, "+12065551000", code) // the caller's own goes before the STOP of that sender
	b.add(t, bank, phone, EverySender)
	b.add(t, shopTest, phone, EverySender)
	frozen = frozen.Add(time.Second)
	b.add(t, shop, phone, EverySender)
	want = append(want, phone+" "+EverySender)

	var got []string
	var after Position
	pages := 0
	for {
		page, err := b.List(t.Context(), shop, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.Number+" "+e.Sender)
		}
		after = PositionOf(page[len(page)-1])
		pages++
	}
	if len(got) == 0 || got[0] != phone+" "+EverySender {
		t.Errorf("the newest is not the first of %d", len(got))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || pages < 30 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	if test, err := b.List(t.Context(), shopTest, Position{}, 10); err != nil || len(test) != 1 {
		t.Errorf("test key: %+v, %v; want its own only", test, err)
	}
}

// The Redis of the development mode knows the scripts, too.
func TestEmbeddedRedis(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	b := on(t, rdb, true)
	b.add(t, shop, phone, EverySender)
	b.receives(t, sender, Stop, time.Time{})
	if all, err := b.List(t.Context(), shop, Position{}, 10); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v; want two", all, err)
	}
	b.receives(t, sender, Start, time.Time{})
	b.wants(t, "the caller's own", shop, sender, true)
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "deleted", shop, sender, false)
}

// A STOP, an opt-out and their ends are recorded while Redis refuses other writes.
func TestOptOutsWhileMemoryIsFull(t *testing.T) {
	t.Parallel()
	b := on(t, redistest.Start(t, redistest.WithArgs("--maxmemory-policy", "noeviction", "--maxmemory", "1mb")).Client(t), false)
	if err := b.rdb.Set(t.Context(), "any", strings.Repeat("x", 1<<20), 0).Err(); err != nil {
		t.Log(err) // full before it
	}
	if err := b.rdb.Set(t.Context(), "other", "", 0).Err(); err == nil {
		t.Fatal("Redis has room")
	}
	b.add(t, shop, phone, sender)
	b.receives(t, sender, Stop, time.Time{})
	b.wants(t, "opted out", shop, sender, true)
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "taken off", shop, sender, false)
	b.receives(t, sender, Start, time.Time{})
}

// The record of a number is kept as long as an entry in it applies to any tenant.
func TestEndedRecordExpires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	expires := func(when string, want bool) {
		t.Helper()
		if ttl := b.rdb.PTTL(t.Context(), b.Key(phone)).Val(); ttl != -1 != want { // -1: kept
			t.Errorf("%s: expires in %s", when, ttl)
		}
	}
	b.add(t, shop, phone, sender)
	expires("opted out", false)
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	expires("taken off", true) // the key is gone, or expires
	b.receives(t, sender, Stop, time.Time{})
	expires("STOP", false)
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	expires("lifted for one tenant", false)
	b.receives(t, sender, Start, time.Time{})
	expires("START", true)
	b.add(t, shop, phone, sender)
	expires("opted out again", false)
}

func TestRedisIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := on(t, server.Client(t), false)
	server.Stop()
	_, _, put := b.Put(t.Context(), shop, phone, sender, "")
	_, get := b.Get(t.Context(), shop, phone, sender)
	_, list := b.List(t.Context(), shop, Position{}, 1)
	_, suppressed := b.Suppressed(t.Context(), shop, phone, sender)
	for name, err := range map[string]error{
		"put": put, "get": get, "list": list, "suppressed": suppressed,
		"block": b.Block(t.Context(), shop, phone, sender, "E114"), "delete": b.Delete(t.Context(), shop, phone, sender),
		"inbound": b.HandleInbound(t.Context(), Inbound{Number: phone, Sender: sender, Meaning: Stop}),
	} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestStopInTheSecondOfADelete: Sinch's times have whole seconds, so that a STOP
// that follows a delete at once seems to be no later than the one taken off.
func TestStopInTheSecondOfADelete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.receives(t, sender, Stop, noon)
		b.wants(t, "after the STOP", shop, sender, true)
		if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
			t.Fatal(err)
		}
		b.wants(t, "after the delete", shop, sender, false)
	}
	b.receives(t, sender, Stop, noon.Add(-2*time.Second))
	b.wants(t, "after an older STOP", shop, sender, false)
	b.receives(t, sender, Start, noon)
	b.receives(t, sender, Stop, noon)
	b.wants(t, "after START and STOP in one second", shop, sender, true)
}
