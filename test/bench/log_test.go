package bench_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
)

// logChunk is the number of rows of one write, as in the writer.
const logChunk = 500

// BenchmarkLog writes b.N messages that were sent to the long-term log, as the writer
// does, beside a bare COPY of the same messages into a table without indexes but its
// key, and beside two workers that send as many to a Sinch that answers at once.
func BenchmarkLog(b *testing.B) {
	b.Run("two-workers", func(b *testing.B) { dispatch(b, 0, 2, slots) })
	b.Run("writer", func(b *testing.B) {
		log, _ := openLog(b)
		entries := sentMessages(b)
		b.ResetTimer()
		for first := 0; first < len(entries); first += logChunk {
			if err := log.Write(b.Context(), entries[first:min(first+logChunk, len(entries))]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
	b.Run("copy", func(b *testing.B) {
		_, records := openLog(b)
		conn, err := pgx.Connect(b.Context(), pgtest.Start(b).URL())
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(b.Context())) }()
		if _, err := conn.Exec(b.Context(), `create table copied (id text primary key, submitted_at timestamptz, tenant text, kind text,
			recipient text, sender text, media text, content text, status text, record bytea)`); err != nil {
			b.Fatal(err)
		}
		entries := sentMessages(b)
		b.ResetTimer()
		for first := 0; first < len(entries); first += logChunk {
			chunk := entries[first:min(first+logChunk, len(entries))]
			_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"copied"},
				[]string{"id", "submitted_at", "tenant", "kind", "recipient", "sender", "media", "content", "status", "record"},
				pgx.CopyFromSlice(len(chunk), func(i int) ([]any, error) {
					m := chunk[i].Message
					return []any{
						string(m.ID), m.CreatedAt, m.Scope.Tenant, "live", m.Content.To, m.From, m.Content.Media[0], m.Content.Text, string(m.Status),
						records.Pack(m, chunk[i].Version),
					}, nil
				}))
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
}

// openLog is a log on a PostgreSQL of its own, and the ledger that packs its messages.
func openLog(b *testing.B) (*messagelog.Log, *ledger.Ledger) {
	b.Helper()
	server := pgtest.Start(b)
	m, err := messagelog.NewMigrator(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Up(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	l, err := ledger.New(redistest.Start(b).Client(b), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	log, err := messagelog.New(messagelog.Options{URL: server.URL(), Records: l, Retention: 400 * 24 * time.Hour, Connections: 2})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(log.Close)
	return log, l
}

// sentMessages are b.N messages that Sinch has accepted.
func sentMessages(b *testing.B) []messagelog.Entry {
	b.Helper()
	entries := make([]messagelog.Entry, b.N)
	now := time.Now().UTC().Truncate(time.Millisecond)
	for n := range entries {
		m := message.New(message.NewID(message.RandomIdentity(), now), message.Scope{Tenant: "bench"}, message.Content{
			To: fmt.Sprintf("+1206%07d", n%10_000_000), Text: "Your order has left.", Media: []string{"https://media.example.com/photo.jpg"},
			ClientReference: fmt.Sprintf("order-%d", n), Priority: message.Bulk,
		}, "+12065550100", now)
		if err := m.Begin(m.Task, message.Attempt{Worker: "w", API: "mms"}, now); err != nil {
			b.Fatal(err)
		}
		if err := m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: fmt.Sprint("sinch-", n)}, message.Retry{}, now); err != nil {
			b.Fatal(err)
		}
		entries[n] = messagelog.Entry{Message: m, Version: 3}
	}
	return entries
}
