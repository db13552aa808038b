package callback

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func events(all []Delivery) string {
	var names []string
	for _, d := range all {
		names = append(names, string(d.Event))
	}
	return strings.Join(names, " ")
}

// Every state that the configuration selects becomes one delivery, although the
// message was read once after all of them.
func TestEachStateBecomesOneDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	id := b.accept(t, "")
	b.deliver(t, id)
	b.consume(t)
	b.consume(t)
	found := b.deliveries(t, Filter{})
	if len(found) != 2 || !strings.Contains(events(found), "message.sent") || !strings.Contains(events(found), "message.delivered") {
		t.Fatalf("%+v", found)
	}
	for _, d := range found {
		if of, n, ok := entryOf(d.ID); !ok || of != id || n < 3 || d.MessageID != string(id) || d.Status != Pending {
			t.Errorf("%+v", d)
		}
	}
	if left, err := b.ledger.Changed(t.Context(), ledger.ConsumerCallbacks, 10); err != nil || len(left) != 0 {
		t.Errorf("%d messages are left, %v", len(left), err)
	}
}

// A consumer that is killed before it takes the message off the list makes no event
// twice, and drops none that follows.
func TestKilledConsumerMakesNoEventTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook", EveryType)
	id := b.accept(t, "")
	for range 3 {
		changed, err := b.ledger.Changed(t.Context(), ledger.ConsumerCallbacks, 10)
		if err != nil {
			t.Fatal(err)
		}
		b.consumer.configurations = map[message.Scope]Configuration{}
		all, err := b.consumer.emissions(t.Context(), changed)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.store.emitAll(t.Context(), all); err != nil { // and it is killed
			t.Fatal(err)
		}
		// One that read before records late.
		if err := b.store.emitAll(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	b.deliver(t, id)
	b.consume(t)
	found := b.deliveries(t, Filter{MessageID: id})
	if len(found) != 4 {
		t.Errorf("%d deliveries: %s; want 4", len(found), events(found))
	}
	if pending, _, err := b.store.Backlog(t.Context()); err != nil || pending != 4 {
		t.Errorf("%d pending, %v", pending, err)
	}
}

// What happened before the configuration was made is not delivered; other tenants
// are not concerned.
func TestNothingIsDeliveredFromBeforeTheConfiguration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.accept(t, "")
	other := message.Scope{Tenant: "other"}
	if _, _, err := b.store.Put(t.Context(), other, Configuration{URL: "https://example.com/", Events: []Type{EveryType}, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	b.store.nowFunc = func() time.Time { return time.Now().Add(time.Hour) }
	b.configure(t, "https://example.com/hook", EveryType)
	b.deliver(t, old)
	b.consume(t)
	if found := b.deliveries(t, Filter{}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// A message's own URL gets every event, also without a configuration.
func TestOwnURLGetsEveryEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.accept(t, "https://example.com/own")
	b.deliver(t, id)
	b.consume(t)
	found := b.deliveries(t, Filter{MessageID: id})
	if len(found) != 4 {
		t.Fatalf("%s", events(found))
	}
	for _, d := range found {
		if d.URL != "https://example.com/own" {
			t.Errorf("%+v", d)
		}
	}
}

func TestBatchIsDoneOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook", TypeBatchDone)
	batch, _, err := b.ledger.OpenBatch(t.Context(), ledger.BatchRequest{Scope: shop, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	results, err := b.ledger.AcceptRows(t.Context(), batch, []ledger.Row{{From: "+12065550000", Content: message.Content{
		To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Bulk,
	}}})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	b.deliver(t, results[0].Message.ID)
	if err := b.ledger.CountBatch(t.Context(), shop, batch.ID, ledger.Tally{Accepted: 1}); err != nil {
		t.Fatal(err)
	}
	await(t, "the batch is done", func() bool {
		b.consume(t)
		return len(b.deliveries(t, Filter{})) == 1
	})
	if found := b.deliveries(t, Filter{}); found[0].Event != TypeBatchDone || found[0].MessageID != "" {
		t.Errorf("%+v", found)
	}
	if n, err := b.rdb.ZCard(t.Context(), batchesKey).Result(); err != nil || n != 0 {
		t.Errorf("%d batches left, %v", n, err)
	}
}

// A message that changed a short time ago waits, so that what follows at once is handled
// with it.
func TestChangesSettle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	id := b.accept(t, "")
	b.consumer.settle = time.Hour
	if n, err := b.consumer.Round(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d messages handled, %v", n, err)
	}
	b.deliver(t, id)
	b.consumer.settle = time.Millisecond
	await(t, "the message is handled", func() bool {
		n, err := b.consumer.Round(t.Context())
		return err == nil && n == 1
	})
	if found := b.deliveries(t, Filter{}); len(found) != 2 {
		t.Errorf("%s", events(found))
	}
}

// Deliveries beyond those that are listed are removed, the oldest first and over several
// rounds; one that is pending is kept.
func TestOldDeliveriesAreTrimmed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://example.com/hook")
	const surplus = deliveriesRead + 50
	pipe := b.rdb.Pipeline()
	for n := range deliveriesKept + surplus {
		id := fmt.Sprintf("dlv_%05d", n)
		state := Delivered
		if n == 0 {
			state = Pending
		}
		pipe.ZAdd(t.Context(), deliveriesKey(shop.String()), redis.Z{Score: float64(n + 1), Member: id})
		pipe.HSet(t.Context(), deliveryKey(id), "status", string(state))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.consume(t)
	}
	if n := b.rdb.ZCard(t.Context(), deliveriesKey(shop.String())).Val(); n != deliveriesKept {
		t.Errorf("%d deliveries are listed, want %d", n, deliveriesKept)
	}
	for n, want := range map[int]int64{0: 1, 1: 0, surplus - 1: 0, surplus: 1} {
		if got := b.rdb.Exists(t.Context(), deliveryKey(fmt.Sprintf("dlv_%05d", n))).Val(); got != want {
			t.Errorf("delivery %d: %d records, want %d", n, got, want)
		}
	}
}
