package callback

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

// streams starts the reader of a process.
func (b *bundle) streams(tb testing.TB) *Streams {
	tb.Helper()
	s := NewStreams(b.rdb, b.store, b.scopes)
	if err := s.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Stop(context.WithoutCancel(tb.Context())) })
	return s
}

func subscribe(tb testing.TB, s *Streams, after string) *Subscription {
	tb.Helper()
	sub, err := s.Subscribe(tb.Context(), shop, "key-1", after)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { sub.Close(context.WithoutCancel(tb.Context())) })
	return sub
}

func next(tb testing.TB, sub *Subscription) StreamEvent {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	e, err := sub.Next(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// Subscribers of all processes get each event once and in order, and one that was
// cut goes on where it was.
func TestSubscribersFollowAndResume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	here, there := b.streams(t), b.streams(t)
	first, second := subscribe(t, here, ""), subscribe(t, there, "")
	id := b.accept(t, "")
	b.deliver(t, id)
	b.consume(t)
	var ids []string
	for _, want := range []Type{"message.queued", "message.sending", "message.sent", "message.delivered"} {
		e, other := next(t, first), next(t, second)
		if e.Type != want || e.ID != other.ID || !strings.Contains(string(e.Data), `"type":"`+string(want)+`"`) {
			t.Errorf("%+v and %+v, want %s", e, other, want)
		}
		ids = append(ids, e.ID)
	}
	resumed := subscribe(t, there, ids[1])
	b.accept(t, "")
	b.consume(t)
	for _, want := range []string{ids[2], ids[3], ""} {
		if e := next(t, resumed); want != "" && e.ID != want || want == "" && e.Type != "message.queued" {
			t.Errorf("%+v, want %s", e, want)
		}
	}
}

func TestExpiredPositionsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.streams(t)
	subscribe(t, s, "")
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	for _, position := range []string{now + "-0", "1-1"} {
		if _, err := s.Subscribe(t.Context(), shop, "key-1", position); !errors.Is(err, ErrExpired) {
			t.Errorf("%s: %v", position, err)
		}
	}
}

// TestErasedEventsAreGone: the events of an erased message leave the stream, and
// subscribers go on from where one of them was.
func TestErasedEventsAreGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.streams(t)
	sub := subscribe(t, s, "")
	var (
		ids       []message.ID
		positions []string
	)
	for range 3 {
		ids = append(ids, b.accept(t, ""))
		b.consume(t)
		positions = append(positions, next(t, sub).ID)
	}
	if err := s.EraseEvents(t.Context(), message.Scope{Tenant: "other"}, time.Time{}, ids...); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseEvents(t.Context(), shop, time.Now().Add(-time.Minute), ids[1]); err != nil {
		t.Fatal(err)
	}
	left, err := b.rdb.XRange(t.Context(), streamKey(shop.String()), "-", "+").Result()
	if err != nil || len(left) != 2 {
		t.Fatalf("%v, %v", left, err)
	}
	for i, m := range left {
		if want := ids[2*i]; b.store.subjectOf(shop.String(), m) != want {
			t.Errorf("%v is not about %s", m, want)
		}
	}
	if e := next(t, subscribe(t, s, positions[1])); e.ID != positions[2] {
		t.Errorf("resumed with %+v", e)
	}
}

func TestSubscribersOfAKeyAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	here, there := b.streams(t), b.streams(t)
	var last *Subscription
	for i := range SubscribersMax {
		s := here
		if i%2 == 1 {
			s = there
		}
		last = subscribe(t, s, "")
	}
	if _, err := here.Subscribe(t.Context(), shop, "key-1", ""); !errors.Is(err, ErrTooMany) {
		t.Fatalf("%v", err)
	}
	if other, err := here.Subscribe(t.Context(), shop, "key-2", ""); err != nil {
		t.Errorf("another key: %v", err)
	} else {
		other.Close(t.Context())
	}
	last.Close(t.Context())
	subscribe(t, here, "")
}

// A subscriber that does not keep up is cut, and no other.
func TestSlowSubscriberIsCut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.streams(t)
	slow, quick := subscribe(t, s, ""), subscribe(t, s, "")
	for range bufferedMax + 1 {
		e := NewEvent(shop, TypeTest, []byte("{}"), time.Now())
		err := b.store.emitAll(t.Context(), []emission{{
			subject: e.ID, scope: shop, upTo: 1, keep: time.Minute, entries: []entry{{event: TypeTest, body: []byte("{}")}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		next(t, quick)
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := slow.Next(ctx)
		cancel()
		if errors.Is(err, ErrSlow) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOutboxBecomesEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	sub := subscribe(t, b.streams(t), "")
	outbox := NewOutbox(b.scopes, b.keys)
	other, err := outbox.Event(message.Scope{Tenant: "other"}, TypeOptOutAdded, "", []byte(`{}`), time.Now())
	if err != nil || other != "" {
		t.Fatalf("an event of a scope without events: %q, %v", other, err)
	}
	element, err := outbox.Event(shop, TypeOptOutAdded, "", []byte(`{"number":"+1"}`), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.rdb.RPush(t.Context(), OutboxKey, element).Err(); err != nil {
		t.Fatal(err)
	}
	b.consume(t)
	if e := next(t, sub); e.Type != TypeOptOutAdded || !strings.Contains(string(e.Data), `"data":{"number":"+1"}`) {
		t.Errorf("%+v", e)
	}
	if found := b.deliveries(t, Filter{}); len(found) != 1 || found[0].Event != TypeOptOutAdded {
		t.Errorf("%+v", found)
	}
}

// The event of an erased inbound message leaves the streams of all scopes.
func TestErasedInboundLeavesAllStreams(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.streams(t)
	scopes := []message.Scope{shop, {Tenant: "other"}}
	for _, scope := range scopes {
		sub, err := s.Subscribe(t.Context(), scope, "key-1", "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sub.Close(context.WithoutCancel(t.Context())) })
	}
	outbox := NewOutbox(b.scopes, b.keys)
	for _, id := range []string{"inb_1", "inb_2"} {
		for _, scope := range scopes {
			element, err := outbox.Event(scope, TypeReceived, id, nil, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if err := b.rdb.RPush(t.Context(), OutboxKey, element).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.consume(t)
	if err := s.EraseReceived(t.Context(), "inb_1"); err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		left, err := b.rdb.XRange(t.Context(), streamKey(scope.String()), "-", "+").Result()
		if err != nil || len(left) != 1 || b.store.subjectOf(scope.String(), left[0]) != "inb_2" {
			t.Errorf("%s: %d events are left, %v", scope, len(left), err)
		}
	}
}
