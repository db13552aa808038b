package callback

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// Inbound messages that are no longer kept, or that cannot be read now.
const (
	goneInbound = "inb_gone"
	awayInbound = "inb_away"
)

var shop = message.Scope{Tenant: "shop"}

// counted counts what the sender does.
type counted struct {
	mu       sync.Mutex
	outcomes map[string]int
	disabled int
}

func (c *counted) Attempted(outcome string, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[outcome]++
}

func (c *counted) Disabled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disabled++
}

// bundle is a ledger with callbacks on a Redis of its own.
type bundle struct {
	rdb      *redis.Client
	ledger   *ledger.Ledger
	store    *Store
	scopes   *Scopes
	consumer *Consumer
	metrics  *counted
	show     Show
	keys     *encryption.Keys
}

func setup(tb testing.TB) *bundle {
	tb.Helper()
	return setupWith(tb, nil)
}

// setupWith encrypts with keys.
func setupWith(tb testing.TB, keys *encryption.Keys) *bundle {
	tb.Helper()
	b := &bundle{rdb: redistest.Shared(tb).Client(tb), keys: keys, metrics: &counted{outcomes: make(map[string]int)}}
	b.scopes = NewScopes(b.rdb)
	l, err := ledger.New(b.rdb, ledger.Options{RecordTTL: time.Hour, Consumers: func(m *message.Message) ledger.Consumers {
		if m.Content.CallbackURL != "" || b.scopes.Has(m.Scope) {
			return ledger.Consumers(ledger.ConsumerCallbacks)
		}
		return ""
	}})
	if err != nil {
		tb.Fatal(err)
	}
	b.ledger = l
	if b.store, err = NewStore(b.rdb, time.Now, b.keys, false); err != nil {
		tb.Fatal(err)
	}
	b.show = Show{
		Message: func(m *message.Message) []byte {
			return fmt.Appendf(nil, `{"id":%q,"status":%q,"attempts":%d}`, m.ID, m.Status, m.Attempts)
		},
		Batch: func(batch ledger.Batch) []byte {
			return fmt.Appendf(nil, `{"id":%q,"total":%d}`, batch.ID, batch.Total)
		},
		Inbound: func(_ context.Context, id string) ([]byte, error) {
			switch id {
			case goneInbound:
				return nil, ErrNotFound
			case awayInbound:
				return nil, ErrUnavailable
			default:
				return fmt.Appendf(nil, `{"id":%q,"text":"hello"}`, id), nil
			}
		},
	}
	b.consumer = NewConsumer(ConsumerOptions{
		Redis: b.rdb, Ledger: l, Store: b.store, Scopes: b.scopes, Show: b.show, RecordTTL: time.Hour, Log: zerolog.Nop(),
	})
	return b
}

// configure sets the callback of the shop.
func (b *bundle) configure(tb testing.TB, url string, events ...Type) string {
	tb.Helper()
	if len(events) == 0 {
		events = DefaultTypes()
	}
	_, secret, err := b.store.Put(tb.Context(), shop, Configuration{URL: url, Events: events, Enabled: true})
	if err != nil {
		tb.Fatal(err)
	}
	if err := b.scopes.Refresh(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return secret
}

// sender starts a sender with a fast schedule.
func (b *bundle) sender(tb testing.TB, change ...func(*SenderOptions)) *Sender {
	tb.Helper()
	o := SenderOptions{
		Store: b.store, Ledger: b.ledger, Show: b.show, Metrics: b.metrics, Log: zerolog.Nop(), Timeout: time.Minute, AllowPrivate: true,
		Schedule: Schedule{First: 10 * time.Millisecond, Most: 20 * time.Millisecond, DisableAfter: time.Hour},
	}
	for _, c := range change {
		c(&o)
	}
	s := NewSender(o)
	if err := s.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Stop(context.WithoutCancel(tb.Context())) })
	return s
}

// accept accepts a message with a callback URL of its own, or none.
func (b *bundle) accept(tb testing.TB, own string) message.ID {
	tb.Helper()
	a, err := b.ledger.Accept(tb.Context(), ledger.Request{
		Scope: shop, From: "+12065550000", Now: time.Now().UTC().Truncate(time.Millisecond),
		Content: message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal, CallbackURL: own},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return a.Message.ID
}

// deliver takes a message through an attempt to delivered.
func (b *bundle) deliver(tb testing.TB, id message.ID) {
	tb.Helper()
	for _, change := range []ledger.Change{
		func(m *message.Message, now time.Time) error {
			return m.Begin(m.Task, message.Attempt{Worker: "w"}, now)
		},
		func(m *message.Message, now time.Time) error {
			return m.Conclude(m.Attempts, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
		},
		func(m *message.Message, now time.Time) error {
			return m.Receive(message.Receipt{Attempt: m.Attempts, State: message.ReceiptDelivered}, now)
		},
	} {
		if _, err := b.ledger.Update(tb.Context(), id, change); err != nil {
			tb.Fatal(err)
		}
	}
}

func (b *bundle) consume(tb testing.TB) {
	tb.Helper()
	if _, err := b.consumer.Round(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// deliveries lists those of the shop, the oldest first.
func (b *bundle) deliveries(tb testing.TB, f Filter) []Delivery {
	tb.Helper()
	found, err := b.store.List(tb.Context(), shop, f, Position{}, 200)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// got is one request that a receiver got.
type got struct {
	header http.Header
	body   []byte
	event  struct {
		Type      Type            `json:"type"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
		Sequence  int             `json:"sequence"`
	}
}

// receiver is an endpoint of callbacks.
type receiver struct {
	*httptest.Server

	requests chan got
}

// receive starts a receiver, which answers with answer's status.
func receive(tb testing.TB, answer func(w http.ResponseWriter, g got)) *receiver {
	tb.Helper()
	r := &receiver{requests: make(chan got, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g := got{header: req.Header.Clone()}
		g.body, _ = io.ReadAll(req.Body)
		_ = json.Unmarshal(g.body, &g.event)
		answer(w, g)
		r.requests <- g
	}))
	tb.Cleanup(r.Close)
	return r
}

func status(code int) func(http.ResponseWriter, got) {
	return func(w http.ResponseWriter, _ got) { w.WriteHeader(code) }
}

// next waits for the next request.
func (r *receiver) next(tb testing.TB) got {
	tb.Helper()
	select {
	case g := <-r.requests:
		return g
	case <-time.After(30 * time.Second):
		tb.Fatal("no request came")
		return got{}
	}
}

// await waits until a condition holds.
func await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end.C:
			tb.Fatalf("%s: not within 30 s", what)
		case <-tick.C:
		}
	}
}
