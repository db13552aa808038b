package inbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

var (
	shop = message.Scope{Tenant: "shop"}
	bank = message.Scope{Tenant: "bank"}
)

const (
	phone  = "+12065551212"
	sender = "+12065550100"
	outbox = redisconn.KeyPrefix + "outbox of a test"
)

// told are the scopes with events.
type told []message.Scope

func (e told) Scopes() []message.Scope { return e }

func (told) Received(scope message.Scope, id string, _ time.Time) (string, error) {
	return scope.String() + " " + id, nil
}

func setup(tb testing.TB, change ...func(*Options)) *Store {
	tb.Helper()
	o := Options{
		Redis: redistest.Shared(tb).Client(tb), TTL: time.Hour, OutboxKey: outbox, Senders: message.SenderTenants{"28444": {"bank"}},
		Events: told{shop, bank, {Tenant: "shop", Test: true}},
	}
	for _, c := range change {
		c(&o)
	}
	return NewStore(o)
}

func keys(tb testing.TB, ids ...string) *encryption.Keys {
	tb.Helper()
	var list []encryption.Key
	for _, id := range ids {
		list = append(list, encryption.Key{ID: id, Secret: []byte(strings.Repeat(id[:1], encryption.KeyBytes))})
	}
	made, err := encryption.New(list, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return made
}

func (s *Store) store(tb testing.TB, m Message, sinchID string) string {
	tb.Helper()
	id, _, err := s.Add(tb.Context(), m, Source{API: "mms", ID: sinchID})
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func (s *Store) list(tb testing.TB, scope message.Scope, f Filter) []Message {
	tb.Helper()
	found, err := s.List(tb.Context(), scope, f, Position{}, 100)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func TestARepetitionIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	m := Message{From: phone, To: sender, Text: "hi", Media: []string{"https://x.example/1"}, ReceivedAt: time.UnixMilli(1_700_000_000_000).UTC()}
	for name, id := range map[string]string{"with an id of Sinch": "T1", "without one": ""} {
		first, added, err := s.Add(t.Context(), m, Source{API: "mms", ID: id})
		if err != nil || !added || !ValidID(first) {
			t.Fatalf("%s: %s, %v, %v", name, first, added, err)
		}
		again, added, err := s.Add(t.Context(), m, Source{API: "mms", ID: id})
		if err != nil || added || again != first {
			t.Errorf("%s: %s again as %s, %v, %v", name, first, again, added, err)
		}
	}
	other := s.store(t, Message{From: phone, To: sender, Text: "another"}, "")
	found := s.list(t, shop, Filter{})
	if len(found) != 3 || !slices.ContainsFunc(found, func(m Message) bool { return m.ID == other }) {
		t.Errorf("%d messages", len(found))
	}
	got, err := s.Get(t.Context(), found[2].ID)
	if err != nil || got.From != phone || got.To != sender || got.Text != "hi" || len(got.Media) != 1 || !got.ReceivedAt.Equal(m.ReceivedAt) {
		t.Errorf("%+v, %v", got, err)
	}
	events, err := s.Redis.LRange(t.Context(), outbox, 0, -1).Result()
	if err != nil || len(events) != 6 { // two scopes have events of live messages
		t.Errorf("%d events, %v", len(events), err)
	}
}

func TestEachTenantSeesItsSenders(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.store(t, Message{From: phone, To: sender, Text: "for all"}, "1")
	s.store(t, Message{From: phone, To: "28444", Text: "for the bank"}, "2")
	for _, f := range []Filter{{}, {From: phone}} {
		if all, some := s.list(t, bank, f), s.list(t, shop, f); len(all) != 2 || len(some) != 1 || some[0].Text != "for all" {
			t.Errorf("%+v: the bank sees %d, the shop %+v", f, len(all), some)
		}
	}
	if found := s.list(t, shop, Filter{To: "28444"}); len(found) != 0 {
		t.Errorf("the shop sees %+v", found)
	}
	events, err := s.Redis.LRange(t.Context(), outbox, 0, -1).Result()
	if err != nil || len(events) != 3 {
		t.Errorf("events %q, %v", events, err)
	}
	erased, err := s.EraseNumber(t.Context(), shop, phone)
	if err != nil || len(erased) != 1 || len(s.list(t, bank, Filter{})) != 1 {
		t.Errorf("the shop erased %v, %v", erased, err)
	}
}

func TestPagesHaveEachMessageOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	want := make(map[string]bool)
	const count = 450
	for n := range count { // many in one millisecond
		want[s.store(t, Message{From: phone, To: []string{sender, "15550100"}[n%2], Text: fmt.Sprint(n)}, fmt.Sprint(n))] = true
	}
	var after Position
	for {
		page, err := s.List(t.Context(), shop, Filter{}, after, 70)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			if !want[m.ID] {
				t.Fatalf("%s twice, or never stored", m.ID)
			}
			delete(want, m.ID)
			if p := PositionOf(m); after != (Position{}) && p.compare(after) <= 0 {
				t.Fatalf("%v after %v", p, after)
			}
			after = PositionOf(m)
		}
		if len(page) < 70 {
			break
		}
	}
	if len(want) != 0 {
		t.Errorf("%d messages on no page", len(want))
	}
}

func TestContentIsEncrypted(t *testing.T) {
	t.Parallel()
	s := setup(t, func(o *Options) { o.Keys = keys(t, "a") })
	id := s.store(t, Message{From: phone, To: sender, Text: "very private", Keyword: "PRIVATE", Media: []string{"https://x.example/p"}}, "1")
	names, err := s.Redis.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		dump, err := s.Redis.Dump(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"very private", "PRIVATE", "x.example", phone, phone[1:]} {
			if strings.Contains(name, secret) || strings.Contains(dump, secret) {
				t.Errorf("%s has %q", name, secret)
			}
		}
	}
	rotated := setup(t, func(o *Options) { o.Redis, o.Keys = s.Redis, keys(t, "b", "a") })
	if again := rotated.store(t, Message{From: phone, To: sender, Text: "very private"}, "1"); again != id {
		t.Errorf("repeated after a rotation: %s, want %s", again, id)
	}
	if found := rotated.list(t, shop, Filter{From: phone}); len(found) != 1 || found[0].Text != "very private" {
		t.Errorf("%+v", found)
	}
	without := setup(t, func(o *Options) { o.Redis, o.Keys = s.Redis, keys(t, "b") })
	if _, err := without.Get(t.Context(), id); !errors.Is(err, encryption.ErrKeyMissing) {
		t.Errorf("%v, want ErrKeyMissing", err)
	}
	if found := without.list(t, shop, Filter{}); len(found) != 1 || !found[0].Locked || found[0].From != "" || found[0].To != sender {
		t.Errorf("%+v", found)
	}
}

func TestAMessageIsKeptForItsTime(t *testing.T) {
	t.Parallel()
	s := setup(t, func(o *Options) { o.TTL = 50 * time.Millisecond })
	id := s.store(t, Message{From: phone, To: sender}, "1")
	for {
		_, err := s.Get(t.Context(), id)
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if found := s.list(t, shop, Filter{}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

func TestAMessageIsKeptUntilItIsLogged(t *testing.T) {
	t.Parallel()
	s := setup(t, func(o *Options) { o.TTL, o.Log = time.Millisecond, true })
	id := s.store(t, Message{From: phone, To: sender, Text: "hi"}, "1")
	waiting, err := s.Unlogged(t.Context(), 10)
	if err != nil || len(waiting) != 1 || waiting[0].ID != id || waiting[0].Text != "hi" || len(waiting[0].Body) == 0 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	if ttl := s.Redis.TTL(t.Context(), recordKey(id)).Val(); ttl != -1 {
		t.Errorf("expires in %s before it is logged", ttl)
	}
	if err := s.Logged(t.Context(), waiting[0].Message); err != nil {
		t.Fatal(err)
	}
	if waiting, err := s.Unlogged(t.Context(), 10); err != nil || len(waiting) != 0 {
		t.Errorf("%+v, %v", waiting, err)
	}
	if ttl := s.Redis.PTTL(t.Context(), recordKey(id)).Val(); ttl == -1 {
		t.Error("never expires")
	}
}

func TestHelpIsClaimedOnceADay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	rotated := setup(t, func(o *Options) { o.Redis, o.Keys = s.Redis, keys(t, "b") })
	for _, step := range []struct {
		store  *Store
		number string
		id     string
		want   bool
	}{
		{s, phone, "inb_1", true},
		{s, phone, "inb_1", true}, // repeated: the answer may not have been recorded
		{s, phone, "inb_2", false},
		{rotated, phone, "inb_3", false},
		{s, "+12065551313", "inb_2", true},
	} {
		if got, err := step.store.ClaimHelp(t.Context(), step.number, step.id); got != step.want || err != nil {
			t.Errorf("%s by %s: %v, %v", step.number, step.id, got, err)
		}
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	down := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = down.Close() })
	s := setup(t, func(o *Options) { o.Redis = down })
	ctx := t.Context()
	for name, call := range map[string]func(context.Context) error{
		"Add":  func(ctx context.Context) error { _, _, err := s.Add(ctx, Message{From: phone}, Source{}); return err },
		"Get":  func(ctx context.Context) error { _, err := s.Get(ctx, "inb_1"); return err },
		"List": func(ctx context.Context) error { _, err := s.List(ctx, shop, Filter{}, Position{}, 1); return err },
		"List from": func(ctx context.Context) error {
			_, err := s.List(ctx, shop, Filter{From: phone}, Position{}, 1)
			return err
		},
		"EraseNumber": func(ctx context.Context) error { _, err := s.EraseNumber(ctx, shop, phone); return err },
		"ClaimHelp":   func(ctx context.Context) error { _, err := s.ClaimHelp(ctx, phone, "inb_1"); return err },
		"Unlogged":    func(ctx context.Context) error { _, err := s.Unlogged(ctx, 1); return err },
		"Logged":      func(ctx context.Context) error { return s.Logged(ctx, Message{}) },
	} {
		if err := call(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, redisconn.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}
