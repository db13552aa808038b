package callback

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"mmsdispatch/internal/message"
)

// ends waits until all deliveries of the shop have ended, and returns them.
func (b *bundle) ends(t *testing.T, want int) []Delivery {
	t.Helper()
	var found []Delivery
	await(t, "all deliveries end", func() bool {
		found = b.deliveries(t, Filter{})
		for _, d := range found {
			if d.Status == Pending {
				return false
			}
		}
		return len(found) == want
	})
	return found
}

// verify checks the signature of a request with the official library.
func verify(t *testing.T, secret string, g got) error {
	t.Helper()
	hook, err := webhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return hook.Verify(g.body, g.header)
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusNoContent))
	secret := b.configure(t, to.URL+"/hook")
	b.sender(t)
	id := b.accept(t, "")
	b.deliver(t, id)
	b.consume(t)
	sequences := map[int]Type{}
	for range 2 {
		g := to.next(t)
		if err := verify(t, secret, g); err != nil {
			t.Errorf("%v", err)
		}
		sequences[g.event.Sequence] = g.event.Type
		if g.header.Get("Content-Type") != "application/json" || !strings.Contains(string(g.event.Data), string(id)) {
			t.Errorf("%s, %v", g.body, g.header)
		}
		want := `"status":"` + strings.TrimPrefix(string(g.event.Type), "message.") + `"`
		if !strings.Contains(string(g.event.Data), want) {
			t.Errorf("%s is not as of %s", g.event.Data, g.event.Type)
		}
	}
	if sequences[3] != "message.sent" || sequences[4] != "message.delivered" {
		t.Errorf("%v", sequences)
	}
	for _, d := range b.ends(t, 2) {
		if d.Status != Delivered || d.Attempts != 1 || d.Response != http.StatusNoContent || d.Error != "" || d.LastAttemptAt.IsZero() {
			t.Errorf("%+v", d)
		}
	}
}

// A delivery keeps its id at every attempt, until an answer of 2xx.
func TestFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var answers atomic.Int64
	codes := []int{http.StatusInternalServerError, http.StatusFound, http.StatusNotFound, http.StatusTooManyRequests, http.StatusAccepted}
	to := receive(t, func(w http.ResponseWriter, _ got) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(codes[answers.Add(1)-1])
	})
	b.configure(t, to.URL, "message.delivered")
	b.sender(t)
	b.deliver(t, b.accept(t, ""))
	b.consume(t)
	ids := map[string]bool{}
	for range codes {
		ids[to.next(t).header.Get("webhook-id")] = true
	}
	if len(ids) != 1 {
		t.Errorf("ids %v", ids)
	}
	d := b.ends(t, 1)[0]
	if d.Status != Delivered || d.Attempts != len(codes) || !ids[d.ID] {
		t.Errorf("%+v", d)
	}
	if c, err := b.store.Get(t.Context(), shop); err != nil || !c.FailingSince.IsZero() {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestGoneDisablesTheConfiguration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusGone))
	b.configure(t, to.URL, "message.delivered")
	b.sender(t)
	b.deliver(t, b.accept(t, ""))
	b.consume(t)
	if d := b.ends(t, 1)[0]; d.Status != Failed || d.Response != http.StatusGone {
		t.Errorf("%+v", d)
	}
	c, err := b.store.Get(t.Context(), shop)
	if err != nil || c.Enabled || c.DisabledAt.IsZero() || c.DisabledReason != reasonGone {
		t.Errorf("%+v, %v", c, err)
	}
	await(t, "it is counted", func() bool {
		b.metrics.mu.Lock()
		defer b.metrics.mu.Unlock()
		return b.metrics.disabled == 1
	})
	if err := b.scopes.Refresh(t.Context()); err != nil || b.scopes.Has(shop) {
		t.Errorf("the scope still has events, %v", err)
	}
}

// 410 of a message's own URL ends the callbacks of that message only.
func TestGoneOfAnOwnURLEndsThatMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusGone))
	other := receive(t, status(http.StatusOK))
	b.configure(t, other.URL, "message.delivered")
	b.sender(t)
	id := b.accept(t, to.URL)
	b.consume(t)
	to.next(t)
	b.ends(t, 1)
	b.deliver(t, id)
	b.deliver(t, b.accept(t, ""))
	b.consume(t)
	if g := other.next(t); g.event.Type != "message.delivered" {
		t.Errorf("%s", g.body)
	}
	if found := b.deliveries(t, Filter{MessageID: id}); len(found) != 1 || found[0].Status != Failed {
		t.Errorf("%+v", found)
	}
}

func TestNothingButFailuresDisables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusInternalServerError))
	b.configure(t, to.URL, "message.delivered")
	b.sender(t, func(o *SenderOptions) { o.Schedule.DisableAfter = 50 * time.Millisecond })
	b.deliver(t, b.accept(t, ""))
	b.consume(t)
	d := b.ends(t, 1)[0] // the next attempt finds the configuration disabled
	if d.Status != Failed || d.Error != "the callback is disabled" || d.Attempts < 2 {
		t.Errorf("%+v", d)
	}
	if c, err := b.store.Get(t.Context(), shop); err != nil || c.Enabled || c.DisabledReason != reasonFailing {
		t.Errorf("%+v, %v", c, err)
	}
}

// A host that hangs delays only its own deliveries.
func TestHangingEndpointDelaysNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	release := make(chan struct{})
	hanging := receive(t, func(http.ResponseWriter, got) { <-release })
	t.Cleanup(func() { close(release) })
	to := receive(t, status(http.StatusOK))
	b.sender(t)
	for range 30 {
		b.accept(t, hanging.URL)
	}
	b.consume(t)
	await(t, "the host hangs", func() bool {
		due, _, err := b.store.Backlog(t.Context())
		return err == nil && due == 30
	})
	b.accept(t, to.URL)
	b.consume(t)
	to.next(t)
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, func(http.ResponseWriter, got) { t.Error("it was reached") })
	b.sender(t, func(o *SenderOptions) { o.AllowPrivate = false })
	b.accept(t, to.URL)
	b.accept(t, strings.Replace(to.URL, "http:", "https:", 1))
	b.consume(t)
	await(t, "both are tried", func() bool {
		errors := map[string]bool{}
		for _, d := range b.deliveries(t, Filter{}) {
			errors[d.Error] = true
		}
		return errors["the URL is not https"] && errors["the endpoint has no public address"]
	})
}

// Both secrets sign for a day after a rotation.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusOK))
	first := b.configure(t, to.URL, "message.queued")
	second, err := b.store.Rotate(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	b.sender(t)
	b.accept(t, "")
	b.consume(t)
	g := to.next(t)
	for _, secret := range []string{first, second} {
		if err := verify(t, secret, g); err != nil {
			t.Error(err)
		}
	}
	if err := verify(t, newSecret(), g); err == nil {
		t.Error("any secret fits")
	}
	later, err := NewStore(b.rdb, func() time.Time { return time.Now().Add(RotationOverlap + time.Minute) }, b.keys, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := later.Get(t.Context(), shop)
	if err != nil || len(c.secrets) != 1 || c.secrets[0] != second {
		t.Errorf("%d secrets after the overlap, %v", len(c.secrets), err)
	}
}

func TestRedeliveryKeepsTheID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusOK))
	b.configure(t, to.URL, "message.delivered")
	b.sender(t)
	b.deliver(t, b.accept(t, ""))
	b.consume(t)
	first := to.next(t).header.Get("webhook-id")
	b.ends(t, 1)
	if err := b.store.Redeliver(t.Context(), message.Scope{Tenant: "other"}, first); err != ErrNotFound { //nolint:errorlint // promised as it is
		t.Errorf("another tenant: %v", err)
	}
	if err := b.store.Redeliver(t.Context(), shop, first); err != nil {
		t.Fatal(err)
	}
	if again := to.next(t).header.Get("webhook-id"); again != first {
		t.Errorf("%s became %s", first, again)
	}
	if d := b.ends(t, 1)[0]; d.Attempts != 2 || d.Status != Delivered {
		t.Errorf("%+v", d)
	}
	if pending, _, err := b.store.Backlog(t.Context()); err != nil || pending != 0 {
		t.Errorf("%d pending, %v", pending, err)
	}
}

func TestTestEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.store.Test(t.Context(), shop); err != ErrNotFound { //nolint:errorlint // promised as it is
		t.Errorf("without a configuration: %v", err)
	}
	to := receive(t, status(http.StatusOK))
	b.configure(t, to.URL)
	b.sender(t)
	if err := b.store.Test(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if g := to.next(t); g.event.Type != TypeTest || string(g.event.Data) != "{}" {
		t.Errorf("%s", g.body)
	}
}

// A delivery whose process died is due again once its lease has ended.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.accept(t, "https://example.com/own")
	b.consume(t)
	endpoint := endpointOf(shop.String(), "https://example.com/own")
	claim := func() []claimed {
		all, err := readClaimed(b.store.claim.Run(t.Context(), b.rdb, claimKeys(endpoint), claimArgs(endpoint, 8, 100*time.Millisecond)...))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := claim(); len(all) != 1 || all[0].fields["status"] != string(Pending) {
		t.Fatalf("%v", all)
	}
	await(t, "the lease ends", func() bool { return len(claim()) == 1 })
}

func TestScheduleGrows(t *testing.T) {
	t.Parallel()
	s := DefaultSchedule()
	for failures, least := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 40: time.Hour} {
		if got := s.After(failures); got < least || got > least+least/4+1 || got > time.Hour {
			t.Errorf("after %d failures: %v", failures, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got, ok := retryAfter(value, now); !ok || got != want {
			t.Errorf("%q: %v, %t", value, got, ok)
		}
	}
	for _, value := range []string{"", "soon", "-1"} {
		if _, ok := retryAfter(value, now); ok {
			t.Errorf("%q is read", value)
		}
	}
}

// An endpoint that answers gets all that is due in one turn, however few attempts are
// made at once.
func TestOneTurnDeliversAllThatIsDue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusNoContent))
	b.configure(t, to.URL)
	const count = 5 * attemptsOfEndpoint
	for range count {
		b.post(t, TypeOptOutAdded, "", `{"number":"+1"}`)
	}
	b.consume(t)
	s := NewSender(SenderOptions{
		Store: b.store, Ledger: b.ledger, Show: b.show, Metrics: b.metrics, Log: zerolog.Nop(), Timeout: time.Minute, AllowPrivate: true,
	})
	t.Cleanup(s.client.close)
	if begun, err := s.claim(t.Context(), t.Context(), endpointOf(shop.String(), to.URL)); begun != attemptsOfEndpoint || err != nil {
		t.Fatalf("%d attempts begun, %v", begun, err)
	}
	s.work.Wait()
	for _, d := range b.deliveries(t, Filter{}) {
		if d.Status != Delivered {
			t.Errorf("%s is %s", d.ID, d.Status)
		}
	}
	if n := len(to.requests); n != count {
		t.Errorf("%d requests, want %d", n, count)
	}
}

// TestDeliveriesOfAMessageAreListed also when the list of the tenant has dropped them,
// by pages, and to their own tenant only.
func TestDeliveriesOfAMessageAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.configure(t, "https://callbacks.example/hook", "message.sent", "message.delivered")
	id := b.accept(t, "")
	b.deliver(t, id)
	b.consume(t)
	await(t, "two deliveries", func() bool { return len(b.deliveries(t, Filter{})) == 2 })
	if err := b.rdb.Del(t.Context(), deliveriesKey(shop.String())).Err(); err != nil {
		t.Fatal(err)
	}
	f := Filter{MessageID: id, Statuses: []Status{Pending}}
	all := b.deliveries(t, f)
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	first, err := b.store.List(t.Context(), shop, f, Position{}, 1)
	if err != nil || len(first) != 1 || first[0].ID != all[0].ID {
		t.Fatalf("%+v, %v", first, err)
	}
	rest, err := b.store.List(t.Context(), shop, f, Position{CreatedAt: first[0].CreatedAt.UnixMilli(), ID: first[0].ID}, 10)
	if err != nil || len(rest) != 1 || rest[0].ID != all[1].ID {
		t.Errorf("%+v, %v", rest, err)
	}
	for _, none := range []Filter{{MessageID: id, Statuses: []Status{Failed}}, {MessageID: message.NewID([16]byte{1}, time.Now())}} {
		if found := b.deliveries(t, none); len(found) != 0 {
			t.Errorf("%+v: %+v", none, found)
		}
	}
	if found, err := b.store.List(t.Context(), message.Scope{Tenant: "other"}, f, Position{}, 10); err != nil || len(found) != 0 {
		t.Errorf("another tenant: %+v, %v", found, err)
	}
}

// A configuration that is cached serves the deliveries that were made before it was
// read, and those alone.
func TestCachedConfigurationIsNoOlderThanItsDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	to := receive(t, status(http.StatusNoContent))
	b.configure(t, to.URL)
	b.sender(t, func(o *SenderOptions) { o.Fresh = time.Hour })
	for want := 1; want <= 3; want++ {
		if err := b.store.Test(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
		if got := len(strings.Fields(to.next(t).header.Get("webhook-signature"))); got != want {
			t.Fatalf("%d signatures, want %d", got, want)
		}
		if _, err := b.store.Rotate(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}
}
