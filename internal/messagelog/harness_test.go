package messagelog_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
)

const (
	recipient = "+12065551212"
	sender    = "+12065550100"
	// othersSender is a sender that the shop does not see.
	othersSender = "28444"
	text         = "Your parcel is ready."
)

// bundle is a ledger, a log and a writer on stores of their own.
type bundle struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	log    *messagelog.Log
	writer *messagelog.Writer
	// erasures are those of a request.
	erasures *messagelog.Erasures
	conn     *pgx.Conn // nil: none
	url      string
	conf     settings
}

type settings struct {
	ttl       time.Duration
	content   time.Duration
	retention time.Duration
	keys      *encryption.Keys
	hashKey   []byte
	url       string
	now       func() time.Time
}

type option func(*settings)

func setup(t *testing.T, opts ...option) *bundle {
	t.Helper()
	conf := settings{ttl: time.Hour, retention: 400 * 24 * time.Hour, now: time.Now}
	for _, o := range opts {
		o(&conf)
	}
	b := &bundle{rdb: redistest.Shared(t).Client(t), url: conf.url, conf: conf}
	if b.url == "" {
		b.url = pgtest.Shared(t)
	}
	var err error
	b.ledger, err = ledger.New(b.rdb, ledger.Options{
		RecordTTL: conf.ttl, Keys: conf.keys,
		Consumers: func(*message.Message) ledger.Consumers { return ledger.Consumers(ledger.ConsumerLog) },
	})
	must(t, err)
	migrate(t, b.url)
	b.log, err = messagelog.New(messagelog.Options{
		URL: b.url, Records: b.ledger, Retention: conf.retention, Keys: conf.keys, HashKey: conf.hashKey, ContentTTL: conf.content,
		Connections: 4, Now: conf.now,
	})
	must(t, err)
	t.Cleanup(b.log.Close)
	b.writer, b.erasures = b.newWriter(), b.newErasures()
	return b
}

func (b *bundle) newWriter() *messagelog.Writer { return b.writerOf(b.ledger) }

// writerOf is a writer that reads a ledger.
func (b *bundle) writerOf(l messagelog.Ledger) *messagelog.Writer {
	return messagelog.NewWriter(messagelog.WriterOptions{
		Log: b.log, Ledger: l, Redis: b.rdb, Erasures: b.newErasures(), Report: func(error) {}, Logger: zerolog.Nop(),
	})
}

func (b *bundle) newErasures() *messagelog.Erasures {
	return messagelog.NewErasures(messagelog.ErasuresOptions{
		Redis: b.rdb, Log: b.log, Ledger: b.ledger, Logger: zerolog.Nop(),
		Senders: message.SenderTenants{othersSender: {"other"}},
	})
}

func migrate(t *testing.T, url string) {
	t.Helper()
	m, err := messagelog.NewMigrator(url)
	must(t, err)
	_, err = m.Up(t.Context())
	must(t, err)
	must(t, m.Close())
}

// db is a connection of the test.
func (b *bundle) db(t *testing.T) *pgx.Conn {
	t.Helper()
	if b.conn == nil {
		conn, err := pgx.Connect(t.Context(), b.url)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		b.conn = conn
	}
	return b.conn
}

// number is the result of a query for one number.
func (b *bundle) number(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	must(t, b.db(t).QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

func shop() message.Scope { return message.Scope{Tenant: "shop"} }

// accept accepts a message.
func (b *bundle) accept(t *testing.T, change ...func(*ledger.Request)) *message.Message {
	t.Helper()
	r := ledger.Request{
		Scope: shop(), From: sender, Now: time.Now().UTC().Truncate(time.Millisecond),
		Content: message.Content{
			To: recipient, Text: text, Subject: "Parcel", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal,
			Metadata: map[string]string{"parcel": "17"},
		},
	}
	for _, c := range change {
		c(&r)
	}
	a, err := b.ledger.Accept(t.Context(), r)
	must(t, err)
	return a.Message
}

// step changes a message.
func (b *bundle) step(t *testing.T, id message.ID, change ledger.Change) {
	t.Helper()
	_, err := b.ledger.Update(t.Context(), id, change)
	must(t, err)
}

func begin(m *message.Message, now time.Time) error {
	return m.Begin(m.Task, message.Attempt{Worker: "w", API: "mms"}, now)
}

func accepted(m *message.Message, now time.Time) error {
	return m.Conclude(m.Attempts, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "sinch-1"}, message.Retry{}, now)
}

func refused(m *message.Message, now time.Time) error {
	return m.Conclude(m.Attempts, message.Outcome{
		Kind: message.OutcomeRefused, Code: message.ReasonRecipient, Detail: "not a mobile number", SinchCode: "E110",
	}, message.Retry{}, now)
}

func delivered(m *message.Message, now time.Time) error {
	return m.Receive(message.Receipt{Attempt: m.Attempts, State: message.ReceiptDelivered, SentAs: "MMS", Operator: "31003"}, now)
}

// round makes one round of the writer.
func (b *bundle) round(t *testing.T) int {
	t.Helper()
	n, err := b.writer.Round(t.Context())
	must(t, err)
	return n
}

func newKeys(t *testing.T) *encryption.Keys {
	t.Helper()
	keys, err := encryption.New([]encryption.Key{{ID: "k1", Secret: []byte(strings.Repeat("k", encryption.KeyBytes))}}, nil)
	must(t, err)
	return keys
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
