package messagelog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pgtest"
)

// erase erases a message as the API does: in Redis, if it has the message, and in the
// log.
func (b *bundle) erase(t *testing.T, id message.ID) error {
	t.Helper()
	pending, err := b.erasures.Begin(t.Context(), messagelog.Erasure{Scope: shop(), ID: id})
	must(t, err)
	if _, err := b.ledger.Erase(t.Context(), shop(), id, false); err != nil && !errors.Is(err, ledger.ErrNotFound) {
		t.Fatal(err)
	}
	_, err = pending.Finish(t.Context(), nil, nil)
	return err
}

// eraseNumber erases all messages to and from the recipient as the API does, of which
// some inbound ones are in Redis.
func (b *bundle) eraseNumber(t *testing.T, inbound ...string) (found int, err error) {
	t.Helper()
	pending, err := b.erasures.Begin(t.Context(), messagelog.Erasure{Scope: shop(), Number: recipient})
	must(t, err)
	ids, _, err := b.ledger.EraseNumber(t.Context(), shop(), recipient)
	must(t, err)
	return pending.Finish(t.Context(), ids, inbound)
}

// wantErased fails when the log has a row with content.
func (b *bundle) wantErased(t *testing.T, when string) {
	t.Helper()
	all := b.everything(t)
	for _, private := range []string{recipient, recipient[2:], text, "Parcel", "example.com"} {
		if strings.Contains(all, private) {
			t.Errorf("%s: %q is in the log", when, private)
		}
	}
	if n := b.number(t, "select count(*) from mms_log where redacted_at is null or recipient <> $1", message.Masked(recipient)); n != 0 {
		t.Errorf("%s: %d rows are not erased", when, n)
	}
}

// waiting is the number of erasures that wait.
func (b *bundle) waiting(t *testing.T) int64 {
	t.Helper()
	n, err := b.rdb.HLen(t.Context(), "mms:{m}:log:erasures").Result()
	must(t, err)
	return n
}

// slowReader is a ledger that stops between the reading of the changed messages and
// their writing.
type slowReader struct {
	messagelog.Ledger

	read chan struct{} // is closed when the messages were read
	goOn chan struct{} // is closed when they may be written
}

func (s *slowReader) ChangedAt(ctx context.Context, c ledger.Consumer, skip, n int) ([]ledger.Changed, error) {
	changed, err := s.Ledger.ChangedAt(ctx, c, skip, n)
	close(s.read)
	<-s.goOn
	return changed, err
}

// A writer that has read a message before it was erased does not write it afterwards:
// whether the log had the message before or not, and whether Redis still has it.
func TestWriterDoesNotBringBackWhatWasErased(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ttl     time.Duration
		logged  bool // in an earlier state
		handled bool // by another writer, after the slow one has read it: Redis drops it then
	}{
		"not logged before":     {ttl: time.Hour},
		"logged before":         {ttl: time.Hour, logged: true},
		"only the log has it":   {ttl: time.Millisecond, handled: true},
		"logged, and expired":   {ttl: time.Millisecond, logged: true, handled: true},
		"handled, and in Redis": {ttl: time.Hour, handled: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(s *settings) { s.ttl = tc.ttl })
			m := b.accept(t)
			if tc.logged {
				b.round(t)
			}
			b.step(t, m.ID, (*message.Message).Cancel)
			slow := &slowReader{Ledger: b.ledger, read: make(chan struct{}), goOn: make(chan struct{})}
			written := make(chan error, 1)
			go func() {
				_, err := b.writerOf(slow).Round(t.Context())
				written <- err
			}()
			<-slow.read
			if tc.handled {
				b.round(t)
			}
			must(t, b.erase(t, m.ID))
			b.wantErased(t, "when the erasure is answered")
			close(slow.goOn)
			must(t, <-written)
			b.wantErased(t, "after the slow writer")
			b.round(t)
			b.wantErased(t, "after the next round")
			if n := b.number(t, "select count(*) from mms_log where status = 'canceled'"); n != 1 {
				t.Errorf("%d rows are canceled, want 1", n)
			}
			if n := b.waiting(t); n != 0 {
				t.Errorf("%d erasures wait", n)
			}
		})
	}
}

// Nothing replaces an erased row by one that is not, also after Redis was rolled back
// and has the message again, changed later.
func TestErasedRowStaysErased(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.step(t, m.ID, (*message.Message).Cancel)
	before, err := b.ledger.Get(t.Context(), m.ID)
	must(t, err)
	must(t, b.erase(t, m.ID))
	before.UpdatedAt = before.UpdatedAt.Add(time.Hour)
	must(t, b.log.Write(t.Context(), []messagelog.Entry{{Message: before, Version: 99}}))
	b.wantErased(t, "after a later version")
}

// While PostgreSQL is away an erasure fails and is kept; the first round of a writer
// after it is back makes it, before the messages that wait, and what a writer has read
// before is not written.
func TestErasureWaitsForPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"plain": false, "with keys": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Start(t)
			b := setup(t, func(s *settings) {
				s.url, s.ttl = server.URL(), time.Millisecond
				if keyed {
					s.keys = newKeys(t)
				}
			})
			gone, one := b.accept(t), b.accept(t)
			b.step(t, gone.ID, (*message.Message).Cancel)
			b.round(t) // Redis drops it
			b.step(t, one.ID, (*message.Message).Cancel)
			in := messagelog.Inbound{ID: "inb_1", From: recipient, To: sender, Text: "hello", ReceivedAt: time.Now()}
			later := in
			later.ID = "inb_2"
			must(t, b.log.WriteInbound(t.Context(), in))
			server.Kill()
			if err := b.erase(t, one.ID); !errors.Is(err, messagelog.ErrUnavailable) {
				t.Fatalf("a message: %v", err)
			}
			if _, err := b.eraseNumber(t, in.ID, later.ID); !errors.Is(err, messagelog.ErrUnavailable) {
				t.Fatalf("a number: %v", err)
			}
			if n := b.waiting(t); n != 2 {
				t.Fatalf("%d erasures wait, want 2", n)
			}
			for _, value := range b.rdb.HVals(t.Context(), "mms:{m}:log:erasures").Val() {
				if keyed && strings.Contains(value, recipient[2:]) {
					t.Error("the number is readable")
				}
			}
			server.Restart()
			await(t, func() bool {
				_ = b.newErasures().Drain(t.Context()) // a first try may meet a connection that was cut
				return b.waiting(t) == 0
			})
			b.wantErased(t, "before a round")
			must(t, b.log.WriteInbound(t.Context(), later)) // by a writer that has read it before
			if n := b.number(t, "select count(*) from mms_inbound"); n != 0 {
				t.Errorf("%d inbound messages, want none", n)
			}
			if n := b.number(t, "select count(*) from mms_log"); n != 2 {
				t.Errorf("%d rows, want 2", n)
			}
			b.round(t)
			b.wantErased(t, "after the next round")
		})
	}
}

// A row with a hashed number has a masked one afterwards, by which nothing is found.
func TestEraseWithHashedNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *settings) { s.hashKey = []byte(strings.Repeat("h", 32)); s.ttl = time.Millisecond })
	m := b.accept(t)
	b.step(t, m.ID, (*message.Message).Cancel)
	b.round(t) // Redis drops it
	for want := 1; want >= 0; want-- {
		if found, err := b.eraseNumber(t); err != nil || found != want {
			t.Errorf("%d messages found, %v; want %d", found, err, want)
		}
		b.wantErased(t, "after the erasure")
	}
}

// An erasure whose process died is made by a writer; one that is under way is left to
// its process.
func TestErasureOfADeadProcess(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := setup(t, func(s *settings) { s.now = func() time.Time { return now }; s.ttl = time.Millisecond })
	m := b.accept(t)
	b.step(t, m.ID, (*message.Message).Cancel)
	b.round(t) // Redis drops it
	_, err := b.erasures.Begin(t.Context(), messagelog.Erasure{Scope: shop(), ID: m.ID})
	must(t, err)
	must(t, b.erasures.Drain(t.Context()))
	if n := b.waiting(t); n != 1 {
		t.Fatalf("%d erasures wait, want the one under way", n)
	}
	now = now.Add(time.Hour)
	_, err = b.newWriter().Round(t.Context())
	must(t, err)
	b.wantErased(t, "after a round")
	if n := b.waiting(t); n != 0 {
		t.Errorf("%d erasures wait", n)
	}
}

// An erasure leaves other scopes, other numbers, what is still open, and what changed
// after it began.
func TestErasureLeavesTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	final := b.accept(t)
	b.step(t, final.ID, (*message.Message).Cancel)
	b.accept(t) // open
	foreign := b.accept(t, func(r *ledger.Request) { r.Scope.Tenant = "other" })
	another := b.accept(t, func(r *ledger.Request) { r.Content.To = "+12065551213" })
	for _, m := range []*message.Message{foreign, another} {
		b.step(t, m.ID, (*message.Message).Cancel)
	}
	b.round(t)
	pending, err := b.erasures.Begin(t.Context(), messagelog.Erasure{Scope: shop(), ID: foreign.ID})
	must(t, err)
	if found, err := pending.Finish(t.Context(), nil, nil); err != nil || found != 0 {
		t.Errorf("of another scope: %d found, %v", found, err)
	}
	if _, err := b.eraseNumber(t); err != nil {
		t.Fatal(err)
	}
	if n := b.number(t, "select count(*) from mms_log where message_text is not null and redacted_at is null"); n != 3 {
		t.Errorf("%d rows are left, want 3", n)
	}
	if n := b.number(t, "select count(*) from mms_log where id = $1 and message_text is null", string(final.ID)); n != 1 {
		t.Errorf("the final message is not erased")
	}
}

// Inbound messages of a phone are deleted, however their number is written in the log:
// those that the scope sees, and no others. Those that were in Redis are not written
// afterwards.
func TestEraseInbound(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]option{
		"plain":  func(*settings) {},
		"keys":   func(s *settings) { s.keys = newKeys(t) },
		"hashed": func(s *settings) { s.hashKey = []byte(strings.Repeat("h", 32)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, option)
			for id, in := range map[string]messagelog.Inbound{
				"inb_1": {From: recipient, To: sender},
				"inb_2": {From: recipient, To: "+12065550199"},
				"inb_3": {From: recipient, To: othersSender},
				"inb_4": {From: "+12065551213", To: sender},
			} {
				in.ID, in.Text, in.ReceivedAt = id, text, time.Now()
				must(t, b.log.WriteInbound(t.Context(), in))
			}
			if _, err := b.eraseNumber(t, "inb_2", "inb_5"); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"inb_2", "inb_5"} {
				must(t, b.log.WriteInbound(t.Context(), messagelog.Inbound{ID: id, From: recipient, To: sender, Text: text, ReceivedAt: time.Now()}))
			}
			if n := b.number(t, "select count(*) from mms_inbound where id in ('inb_3', 'inb_4')"); n != 2 {
				t.Errorf("%d of the others are left, want 2", n)
			}
			if n := b.number(t, "select count(*) from mms_inbound"); n != 2 {
				t.Errorf("%d are left, want 2", n)
			}
		})
	}
}

// A write that is under way while its message is erased is either erased with it or
// not made.
func TestEraseInboundWhileWriting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := messagelog.Inbound{ID: "inb_1", From: recipient, To: sender, Text: text, ReceivedAt: time.Now()}
	for range 50 {
		start, written := make(chan struct{}), make(chan error, 1)
		go func() {
			<-start
			written <- b.log.WriteInbound(t.Context(), in)
		}()
		close(start)
		_, err := b.eraseNumber(t, in.ID)
		must(t, err)
		must(t, <-written)
		if n := b.number(t, "select count(*) from mms_inbound"); n != 0 {
			t.Fatalf("%d inbound messages are left", n)
		}
		_, err = b.db(t).Exec(t.Context(), "delete from mms_inbound_erased")
		must(t, err)
	}
}

// What keeps an erased inbound message from being written is kept longer than any
// writer needs, and no longer.
func TestMarksOfErasedInboundEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := setup(t, func(s *settings) { s.now = func() time.Time { return now } })
	_, err := b.eraseNumber(t, "inb_1")
	must(t, err)
	must(t, b.log.Retain(t.Context()))
	if n := b.number(t, "select count(*) from mms_inbound_erased"); n != 1 {
		t.Errorf("%d marks, want 1", n)
	}
	now = now.Add(2 * time.Hour)
	must(t, b.log.Retain(t.Context()))
	if n := b.number(t, "select count(*) from mms_inbound_erased"); n != 0 {
		t.Errorf("%d marks, want none", n)
	}
}
