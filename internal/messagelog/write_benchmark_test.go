package messagelog

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
)

// benchChunk is the number of rows of one write, as in the writer.
const benchChunk = 500

// BenchmarkWrite compares two ways to write b.N messages and their timelines in chunks:
// upserts from arrays, as Write does, and COPY into temporary tables and upserts from
// them. "update" writes a newer version over rows that exist.
func BenchmarkWrite(b *testing.B) {
	for name, write := range map[string]func(ctx context.Context, l *Log, entries []Entry) error{
		"unnest": func(ctx context.Context, l *Log, entries []Entry) error { return l.write(ctx, entries) },
		"copy":   writeByCopy,
	} {
		for _, kind := range []string{"insert", "update"} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				l := benchLog(b)
				entries := benchEntries(b)
				if kind == "update" {
					for first := 0; first < len(entries); first += benchChunk {
						if err := l.write(b.Context(), entries[first:min(first+benchChunk, len(entries))]); err != nil {
							b.Fatal(err)
						}
					}
					for i := range entries {
						entries[i].Version++
					}
				}
				b.ResetTimer()
				for first := 0; first < len(entries); first += benchChunk {
					if err := write(b.Context(), l, entries[first:min(first+benchChunk, len(entries))]); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			})
		}
	}
}

// benchLog is a log with one connection, whose session has the temporary tables.
func benchLog(b *testing.B) *Log {
	b.Helper()
	url := pgtest.Start(b).URL()
	m, err := NewMigrator(url)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Up(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	records, err := ledger.New(redistest.Shared(b).Client(b), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	l, err := New(Options{URL: url, Records: records, Retention: 400 * 24 * time.Hour, Connections: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.Close)
	if err := l.makeAhead(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, table := range partitioned() {
		if _, err := l.pool.Exec(b.Context(), fmt.Sprintf("create temporary table %[1]s_rows (like %[1]s) on commit delete rows", table)); err != nil {
			b.Fatal(err)
		}
	}
	return l
}

// benchEntries are b.N messages that were delivered, in the order of their ids.
func benchEntries(b *testing.B) []Entry {
	b.Helper()
	entries := make([]Entry, b.N)
	now := time.Now().UTC().Truncate(time.Millisecond)
	for n := range entries {
		at := now.Add(time.Duration(n/1000) * time.Millisecond)
		m := message.New(message.NewID(message.RandomIdentity(), at), message.Scope{Tenant: "bench"}, message.Content{
			To: fmt.Sprintf("+1206%07d", n%10_000_000), Text: "Your order has left.", Media: []string{"https://media.example.com/photo.jpg"},
			ClientReference: fmt.Sprintf("order-%d", n), Priority: message.Bulk,
		}, "+12065550100", at)
		for _, err := range []error{
			m.Begin(m.Task, message.Attempt{Worker: "w", API: "mms"}, at),
			m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: fmt.Sprint("sinch-", n)}, message.Retry{}, at),
			m.Receive(message.Receipt{Attempt: 1, State: message.ReceiptDelivered, SentAs: "MMS", Operator: "31003"}, at),
		} {
			if err != nil {
				b.Fatal(err)
			}
		}
		entries[n] = Entry{Message: m, Version: 4}
	}
	return sorted(entries)
}

// writeByCopy is Write by COPY into temporary tables.
func writeByCopy(ctx context.Context, l *Log, entries []Entry) error {
	var r rows
	var e events
	for _, one := range entries {
		r.add(l, one)
		e.add(one.Message)
	}
	names := make([]string, 0, len(columns()))
	for _, c := range columns() {
		names = append(names, c.name)
	}
	list := strings.Join(names, ", ")
	_, end, _ := strings.Cut(writeRows, " on conflict ")
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"mms_log_rows"}, names, pgx.CopyFromSlice(len(entries), func(i int) ([]any, error) {
			return []any{
				r.id[i], r.submitted[i], r.tenant[i], r.kind[i], r.version[i], r.recipient[i], r.sender[i], r.media[i], r.text[i], r.subject[i],
				r.metadata[i], r.reference[i], r.batch[i], r.priority[i], r.status[i], r.reasonCode[i], r.sinchCode[i], r.reasonMessage[i],
				r.attempts[i], r.api[i], r.sinchID[i], r.sentAs[i], r.operator[i], r.queued[i], r.sent[i], r.final[i], r.updated[i],
				r.redacted[i], r.record[i],
			}, nil
		}))
		if err != nil {
			return err
		}
		eventNames := []string{"message_id", "submitted_at", "n", "at", "status", "detail", "attempt"}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"mms_log_event_rows"}, eventNames, pgx.CopyFromSlice(len(e.id), func(i int) ([]any, error) {
			return []any{e.id[i], e.submitted[i], e.n[i], e.at[i], e.status[i], e.detail[i], e.attempt[i]}, nil
		}))
		if err != nil {
			return err
		}
		var batch pgx.Batch
		batch.Queue("insert into mms_log (" + list + ") select " + list + " from mms_log_rows on conflict " + end)
		batch.Queue("insert into mms_log_event (" + strings.Join(eventNames, ", ") + ") select " + strings.Join(eventNames, ", ") +
			" from mms_log_event_rows on conflict do nothing")
		return tx.SendBatch(ctx, &batch).Close()
	})
}
