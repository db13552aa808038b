package callback

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// post puts an event of the shop into the outbox.
func (b *bundle) post(tb testing.TB, t Type, subject, data string) {
	tb.Helper()
	element, err := NewOutbox(b.scopes, b.keys).Event(shop, t, subject, []byte(data), time.Now())
	if err != nil || element == "" {
		tb.Fatalf("%q, %v", element, err)
	}
	if err := b.rdb.RPush(tb.Context(), OutboxKey, element).Err(); err != nil {
		tb.Fatal(err)
	}
}

// The event of an inbound message holds its id alone: what it says is read when it
// is posted, and cannot be once it was erased.
func TestInboundMessagesAreReadWhenTheyArePosted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusNoContent))
	b.configure(t, to.URL)
	sub := subscribe(t, b.streams(t), "")
	b.post(t, TypeReceived, "inb_1", "")
	b.consume(t)
	if e := next(t, sub); e.Type != TypeReceived || !strings.Contains(string(e.Data), `"data":{"id":"inb_1","text":"hello"}`) {
		t.Errorf("a subscriber got %s %s", e.Type, e.Data)
	}
	for _, d := range b.deliveries(t, Filter{}) {
		if fields := b.rdb.HGetAll(t.Context(), deliveryKey(d.ID)).Val(); fields["subject"] != "inb_1" || fields["data"] != "" {
			t.Errorf("kept: %v", fields)
		}
	}
	b.post(t, TypeReceived, goneInbound, "")
	b.consume(t)
	b.sender(t)
	g := to.next(t)
	if g.event.Type != TypeReceived || string(g.event.Data) != `{"id":"inb_1","text":"hello"}` || g.event.Sequence != 1 {
		t.Errorf("posted %s", g.body)
	}
	statuses := make([]Status, 0, 2)
	for _, d := range b.ends(t, 2) {
		statuses = append(statuses, d.Status)
	}
	if slices.Sort(statuses); !slices.Equal(statuses, []Status{Delivered, Failed}) {
		t.Errorf("deliveries are %v", statuses)
	}
}

// With keys an event in the outbox is encrypted.
func TestTheOutboxIsEncrypted(t *testing.T) {
	t.Parallel()
	b := setupWith(t, keysOf(t, "a"))
	b.configure(t, "https://example.com/hook")
	sub := subscribe(t, b.streams(t), "")
	b.post(t, TypeOptOutAdded, "", `{"number":"+12065551212"}`)
	for _, element := range b.rdb.LRange(t.Context(), OutboxKey, 0, -1).Val() {
		if strings.Contains(element, "2065551212") {
			t.Errorf("the outbox has %s", element)
		}
	}
	b.consume(t)
	if e := next(t, sub); !strings.Contains(string(e.Data), `"data":{"number":"+12065551212"}`) {
		t.Errorf("a subscriber got %s", e.Data)
	}
}

// Two consumers at once take each event out once, and none that was not recorded.
func TestConsumersAtOnceLoseNoEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	const count = 250 // more than two rounds
	for range count {
		b.post(t, TypeOptOutAdded, "", `{"number":"+1"}`)
	}
	ends := make(chan error, 2)
	for range 2 {
		other := NewConsumer(ConsumerOptions{
			Redis: b.rdb, Ledger: b.ledger, Store: b.store, Scopes: b.scopes, Show: b.show, RecordTTL: time.Hour,
		})
		go func() {
			for {
				_, err := other.Round(t.Context())
				left, failed := b.rdb.LLen(t.Context(), OutboxKey).Result()
				if err = errors.Join(err, failed); err != nil || left == 0 {
					ends <- err
					return
				}
			}
		}()
	}
	for range 2 {
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
	}
	if n := b.rdb.ZCard(t.Context(), deliveriesKey(shop.String())).Val(); n != count {
		t.Errorf("%d deliveries of %d events", n, count)
	}
}

// An event whose data cannot be read now stays in the outbox.
func TestUnreadableInboundWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	subscribe(t, b.streams(t), "")
	b.post(t, TypeReceived, awayInbound, "")
	if _, err := b.consumer.Round(t.Context()); !errors.Is(err, redisconn.ErrUnavailable) {
		t.Fatalf("%v", err)
	}
	if n := b.rdb.LLen(t.Context(), OutboxKey).Val(); n != 1 {
		t.Errorf("%d events are left in the outbox", n)
	}
}

// Scopes of a tenant's test keys have no events of live ones.
func TestEventsOfAScopeAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	outbox := NewOutbox(b.scopes, nil)
	if got := outbox.Scopes(); !slices.Equal(got, []message.Scope{shop}) {
		t.Errorf("%v", got)
	}
	element, err := outbox.Event(message.Scope{Tenant: "shop", Test: true}, TypeReceived, "inb_1", nil, time.Now())
	if element != "" || err != nil {
		t.Errorf("%q, %v", element, err)
	}
}
