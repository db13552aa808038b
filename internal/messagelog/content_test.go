package messagelog_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// final are messages that became final at a time.
func final(t *testing.T, n int, at time.Time) []messagelog.Entry {
	t.Helper()
	entries := make([]messagelog.Entry, n)
	for i := range entries {
		m := message.New(message.NewID(message.RandomIdentity(), at), shop(), message.Content{
			To: recipient, Text: text, Subject: "Parcel", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal,
		}, sender, at)
		must(t, m.Cancel(at))
		entries[i] = messagelog.Entry{Message: m, Version: 2}
	}
	return entries
}

// The content of messages that have been final for CONTENT_TTL is dropped, in several
// steps; their numbers stay, and the content of the others.
func TestContentIsDroppedFromLog(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Millisecond)
	b := setup(t, func(s *settings) { s.content = time.Hour; s.now = func() time.Time { return now } })
	const due = 1100 // more than two steps
	must(t, b.log.Write(t.Context(), final(t, due, now.Add(-time.Hour-time.Second))))
	must(t, b.log.Write(t.Context(), final(t, 2, now.Add(-time.Minute))))
	b.accept(t) // is open
	b.round(t)
	dropped, err := b.log.DropContent(t.Context())
	must(t, err)
	if dropped != due {
		t.Errorf("content of %d messages dropped, want %d", dropped, due)
	}
	if n := b.number(t, `select count(*) from mms_log where redacted_at is not null and message_text is null and subject is null
		and media_url is null and recipient = $1 and version = 2`, recipient); n != due {
		t.Errorf("%d rows without content, want %d", n, due)
	}
	if n := b.number(t, "select count(*) from mms_log where redacted_at is null and message_text is not null"); n != 3 {
		t.Errorf("%d rows with content, want 3", n)
	}
	rows, err := b.db(t).Query(t.Context(), "select record from mms_log where redacted_at is not null")
	must(t, err)
	records, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	must(t, err)
	for _, record := range records {
		if m, err := b.ledger.Unpack(record); err != nil || m.Content.Text != "" || m.Content.Media != nil || m.Content.To != recipient {
			t.Fatalf("a record has %+v, %v", m.Content, err)
		}
	}
	if again, err := b.log.DropContent(t.Context()); err != nil || again != 0 {
		t.Errorf("again: %d, %v", again, err)
	}
}

// A message that is read after its time is shown without its content, before its row
// was found.
func TestContentIsNotShownAfterItsTime(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Millisecond)
	b := setup(t, func(s *settings) { s.content = time.Hour; s.now = func() time.Time { return now } })
	entries := final(t, 1, now)
	must(t, b.log.Write(t.Context(), entries))
	now = now.Add(time.Hour - time.Millisecond)
	m, err := b.log.Message(t.Context(), shop(), entries[0].Message.ID)
	must(t, err)
	if m.Content.Text != text {
		t.Errorf("before: %+v", m.Content)
	}
	now = now.Add(time.Millisecond)
	m, err = b.log.Message(t.Context(), shop(), entries[0].Message.ID)
	must(t, err)
	if m.Content.Text != "" || m.Content.Media != nil || m.Content.To != recipient || !m.RedactedAt.Equal(now) {
		t.Errorf("after: %+v, redacted at %v", m.Content, m.RedactedAt)
	}
}

// A row whose key is missing keeps its content until the key is back, and does not
// stop the others.
func TestContentWhoseKeyIsMissing(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Millisecond)
	old := setup(t, func(s *settings) { s.keys = newKeys(t) })
	locked := final(t, 2, now.Add(-2*time.Hour))
	must(t, old.log.Write(t.Context(), locked))
	b := setup(t, func(s *settings) {
		s.url, s.content, s.now = old.url, time.Hour, func() time.Time { return now }
		keys, err := encryption.New([]encryption.Key{{ID: "k2", Secret: []byte(strings.Repeat("n", encryption.KeyBytes))}}, nil)
		must(t, err)
		s.keys = keys
	})
	must(t, b.log.Write(t.Context(), final(t, 1, now.Add(-90*time.Minute))))
	dropped, err := b.log.DropContent(t.Context())
	must(t, err)
	if dropped != 1 {
		t.Errorf("content of %d messages dropped, want 1", dropped)
	}
	for _, one := range locked {
		m, err := old.log.Message(t.Context(), shop(), one.Message.ID)
		must(t, err)
		if m.Content.Text != text {
			t.Errorf("the content is gone: %+v", m.Content)
		}
	}
}

// Several writers drop content at once, each message once; without CONTENT_TTL none
// does.
func TestSeveralWritersDropContent(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Millisecond)
	b := setup(t, func(s *settings) { s.content = time.Hour; s.now = func() time.Time { return now } })
	must(t, b.log.Write(t.Context(), final(t, 600, now.Add(-2*time.Hour))))
	off := setup(t, func(s *settings) { s.url, s.now = b.url, b.conf.now })
	off.writer.DropContent(t.Context())
	if n := b.number(t, "select count(*) from mms_log where redacted_at is not null"); n != 0 {
		t.Fatalf("%d rows without content while it is kept", n)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 3 {
		w := b.newWriter()
		running.Go(func() { w.DropContent(ctx) })
	}
	await(t, func() bool { return b.number(t, "select count(*) from mms_log where redacted_at is null") == 0 })
	stop()
	running.Wait()
}
