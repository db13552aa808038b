package messagelog_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pgtest"
)

// A row has what the message says and what became of it, and the timeline has a row
// for each of its lines.
func TestRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t, func(r *ledger.Request) { r.Content.ClientReference = "order-1" })
	for _, change := range []ledger.Change{begin, accepted, delivered} {
		b.step(t, m.ID, change)
	}
	if n := b.round(t); n != 1 {
		t.Fatalf("%d messages were handled, want 1", n)
	}
	type row struct {
		Recipient, Sender, Media, Text, Subject, SinchID, Status, Tenant, Kind, Reference, Priority, API, SentAs, Operator, Parcel string
		Attempts, Version                                                                                                          int
		Reason                                                                                                                     *string
		Queued, Sent, Final                                                                                                        bool
	}
	var got row
	must(t, b.db(t).QueryRow(t.Context(), `select recipient, sinch_number, media_url, message_text, subject, sinch_tracking_id, status,
		tenant, kind, client_reference, priority, sinch_api, sent_as, operator_id, metadata->>'parcel', attempts, version, reason_code,
		queued_at = submitted_at, sent_at is not null, final_at = last_updated_at from mms_log where id = $1`, string(m.ID)).Scan(
		&got.Recipient, &got.Sender, &got.Media, &got.Text, &got.Subject, &got.SinchID, &got.Status, &got.Tenant, &got.Kind,
		&got.Reference, &got.Priority, &got.API, &got.SentAs, &got.Operator, &got.Parcel, &got.Attempts, &got.Version, &got.Reason,
		&got.Queued, &got.Sent, &got.Final))
	want := row{
		Recipient: recipient, Sender: sender, Media: "https://example.com/a.jpg", Text: text, Subject: "Parcel", SinchID: "sinch-1",
		Status: "delivered", Tenant: "shop", Kind: "live", Reference: "order-1", Priority: "normal", API: "mms", SentAs: "MMS", Operator: "31003", Parcel: "17",
		Attempts: 1, Version: got.Version, Queued: true, Sent: true, Final: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	current, err := b.ledger.Get(t.Context(), m.ID)
	must(t, err)
	if n := b.number(t, "select count(*) from mms_log_event where message_id = $1", string(m.ID)); n != len(current.Timeline) {
		t.Errorf("%d events, want %d", n, len(current.Timeline))
	}
	day := m.CreatedAt.UTC().Truncate(24 * time.Hour)
	report, err := b.log.Report(t.Context(), shop(), messagelog.ByCarrier, day, day.AddDate(0, 0, 2))
	must(t, err)
	if len(report) != 1 || report[0].Key != "31003" || report[0].Counts[message.StatusDelivered] != 1 {
		t.Errorf("by carrier: %+v", report)
	}
}

// A row is written once a version, and an older version never replaces a newer one.
func TestWriteIsIdempotent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.round(t)
	b.step(t, m.ID, begin)
	b.step(t, m.ID, refused)
	b.round(t)
	must(t, b.log.Write(t.Context(), []messagelog.Entry{{Message: m, Version: 1}}))
	if n := b.number(t, "select count(*) from mms_log where status = 'failed' and reason_code = 'recipient' and sinch_code = 'E110'"); n != 1 {
		t.Errorf("%d rows have the last state, want 1", n)
	}
	if n := b.number(t, "select count(*) from mms_log"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// A message that changes while it is written stays on the list.
func TestChangeMeanwhileIsWritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	changed, err := b.ledger.ChangedAt(t.Context(), ledger.ConsumerLog, 0, 10)
	must(t, err)
	b.step(t, m.ID, begin)
	must(t, b.ledger.Handled(t.Context(), ledger.ConsumerLog, changed))
	if n := b.round(t); n != 1 {
		t.Errorf("%d messages were handled, want 1", n)
	}
	if n := b.number(t, "select count(*) from mms_log where status = 'sending'"); n != 1 {
		t.Errorf("%d rows are sending, want 1", n)
	}
}

// No record leaves Redis before it is logged, and it leaves after its time then.
func TestRecordStaysUntilLogged(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *settings) { s.ttl = time.Millisecond })
	m := b.accept(t)
	b.step(t, m.ID, (*message.Message).Cancel)
	if _, err := b.ledger.Get(t.Context(), m.ID); err != nil {
		t.Fatalf("before it was logged: %v", err)
	}
	b.round(t)
	if _, err := b.ledger.Get(t.Context(), m.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("after it was logged: %v", err)
	}
	got, err := b.log.Message(t.Context(), shop(), m.ID)
	must(t, err)
	if got.Status != message.StatusCanceled || got.Content.To != recipient {
		t.Errorf("the log has %+v", got)
	}
}

// Several writers at once write every message, and each in its last state.
func TestSeveralWriters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const messages = 1200
	for range messages {
		b.accept(t)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 3 {
		w := b.newWriter()
		running.Go(func() { w.Run(ctx) })
	}
	await(t, func() bool { n, _, err := b.ledger.Backlog(ctx, ledger.ConsumerLog); return err == nil && n == 0 })
	stop()
	running.Wait()
	if n := b.number(t, "select count(*) from mms_log"); n != messages {
		t.Errorf("%d rows, want %d", n, messages)
	}
}

// await waits for a condition, as long as the test may take.
func await(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the test ends first")
		}
	}
}

// While PostgreSQL is away messages stay on the list; afterwards they are written.
func TestPostgreSQLAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	b := setup(t, func(s *settings) { s.url = server.URL() })
	b.accept(t)
	b.round(t)
	server.Kill()
	b.accept(t)
	if _, err := b.writer.Round(t.Context()); !errors.Is(err, messagelog.ErrUnavailable) {
		t.Fatalf("away: %v", err)
	}
	if n, _, err := b.ledger.Backlog(t.Context(), ledger.ConsumerLog); err != nil || n != 1 {
		t.Fatalf("backlog %d, %v", n, err)
	}
	server.Restart()
	b.round(t)
	if n := b.number(t, "select count(*) from mms_log"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// A message that is older than the retention is not written, and does not wait.
func TestOlderThanRetention(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *settings) { s.retention = time.Hour })
	b.accept(t, func(r *ledger.Request) { r.Now = r.Now.Add(-2 * time.Hour) })
	b.round(t)
	if n, _, err := b.ledger.Backlog(t.Context(), ledger.ConsumerLog); err != nil || n != 0 {
		t.Errorf("backlog %d, %v", n, err)
	}
	if n := b.number(t, "select count(*) from mms_log"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
}
