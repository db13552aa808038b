package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// someKeys encrypt.
func someKeys(tb testing.TB) *encryption.Keys {
	tb.Helper()
	keys, err := encryption.New([]encryption.Key{{ID: "k1", Secret: []byte(strings.Repeat("k", encryption.KeyBytes))}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// cancel makes a message final.
func cancel(tb testing.TB, l *ledger.Ledger, id message.ID) {
	tb.Helper()
	if _, err := l.Update(tb.Context(), id, (*message.Message).Cancel); err != nil {
		tb.Fatal(err)
	}
}

func TestEraseNumber(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]*encryption.Keys{"plain": nil, "encrypted": someKeys(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, rdb := newLedger(t, ledger.Options{RecordTTL: time.Hour, Keys: keys})
			done, again, open, other := accept(t, l, request("")), accept(t, l, request("")), accept(t, l, request("")), request("")
			other.Content.To = "+12065551213"
			stranger := accept(t, l, other)
			foreign := request("")
			foreign.Scope.Tenant = "another"
			theirs := accept(t, l, foreign)
			for _, m := range []*message.Message{done, again, stranger, theirs} {
				cancel(t, l, m.ID)
			}
			for round, want := range []int{2, 0} { // nothing is left for the second one
				erased, left, err := l.EraseNumber(t.Context(), done.Scope, done.Content.To)
				if err != nil || len(erased) != want || left != 1 {
					t.Errorf("round %d: erased %v, open %d, %v", round, erased, left, err)
				}
			}
			for _, m := range []*message.Message{done, again} {
				got := read(t, l, m.ID).Message
				if got.Content.To != "+1…12" || got.Content.Text != "" || got.Content.Media != nil || got.RedactedAt.IsZero() || got.Status != message.StatusCanceled {
					t.Errorf("%+v", got)
				}
			}
			for _, m := range []*message.Message{open, stranger, theirs} {
				if got := read(t, l, m.ID).Message; !got.Content.Equal(m.Content) {
					t.Errorf("%+v is erased", got)
				}
			}
			if raw := rdb.Get(t.Context(), ledger.DefaultPrefix+done.ID.Identity()).Val(); strings.Contains(raw, done.Content.Text) {
				t.Errorf("the text is in %q", raw)
			}
		})
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{RecordTTL: time.Hour})
	m := accept(t, l, request("order-1"))
	if _, err := l.Erase(t.Context(), m.Scope, m.ID, true); !errors.Is(err, message.ErrNotErasable) {
		t.Errorf("open: %v", err)
	}
	cancel(t, l, m.ID)
	if _, err := l.Erase(t.Context(), message.Scope{Tenant: "another"}, m.ID, false); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("another tenant: %v", err)
	}
	for range 2 {
		if _, err := l.Erase(t.Context(), m.Scope, m.ID, false); err != nil {
			t.Errorf("final: %v", err)
		}
	}
	if _, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error { return m.Replay(true, time.Time{}, now) }); !errors.Is(err, message.ErrNotReplayable) {
		t.Errorf("replayed: %v", err)
	}
	if a, err := l.Accept(t.Context(), request("order-1")); err != nil || !a.Duplicate || a.Message.ID != m.ID {
		t.Errorf("its reference: %+v, %v", a, err)
	}
}

// TestContentOfOlderMessagesIsFound: those that were final before there was a
// ContentTTL, or under a longer one, are due by the one in force.
func TestContentOfOlderMessagesIsFound(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]*encryption.Keys{"plain": nil, "encrypted": someKeys(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			without, rdb := newLedger(t, ledger.Options{RecordTTL: time.Hour, Keys: keys})
			older, open, redacted := accept(t, without, request("")), accept(t, without, request("")), accept(t, without, request(""))
			cancel(t, without, older.ID)
			cancel(t, without, redacted.ID)
			if err := without.Redact(t.Context(), redacted.ID); err != nil {
				t.Fatal(err)
			}
			due := func() map[string]time.Time {
				found := make(map[string]time.Time)
				for _, z := range rdb.ZRangeWithScores(t.Context(), ledger.DefaultPrefix+"content", 0, -1).Val() {
					found[z.Member.(string)] = time.UnixMilli(int64(z.Score))
				}
				return found
			}
			search := func(ttl time.Duration) *ledger.Ledger {
				l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, ContentTTL: ttl, Keys: keys})
				if err != nil {
					t.Fatal(err)
				}
				if err := l.NewContentSearch().Step(t.Context(), time.Minute); err != nil {
					t.Fatal(err)
				}
				return l
			}
			final := read(t, without, older.ID).Message.FinalAt
			search(30 * time.Minute)
			if got := due(); len(got) != 1 || !got[older.ID.Packed()].Equal(final.Add(30*time.Minute)) {
				t.Errorf("due %v, final %s", got, final)
			}
			cancel(t, without, open.ID)
			shorter := search(time.Minute)
			if got := due(); len(got) != 2 || !got[older.ID.Packed()].Equal(final.Add(time.Minute)) {
				t.Errorf("due %v, final %s", got, final)
			}
			if err := rdb.Del(t.Context(), ledger.DefaultPrefix+"content").Err(); err != nil {
				t.Fatal(err)
			}
			if err := shorter.NewContentSearch().Step(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			if got := due(); len(got) != 0 {
				t.Errorf("searched twice within the hour: %v", got)
			}
		})
	}
}

// The content of a final message is due ContentTTL later, that of a replayed one
// is not, and redacting prolongs nothing.
func TestContentIsDue(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{RecordTTL: time.Hour, ContentTTL: time.Millisecond})
	due := func() string {
		list := rdb.ZRangeWithScores(t.Context(), ledger.DefaultPrefix+"content", 0, -1).Val()
		return fmt.Sprint(len(list))
	}
	m := accept(t, l, request(""))
	if got := due(); got != "0" {
		t.Errorf("open: %s are due", got)
	}
	cancel(t, l, m.ID)
	if got := due(); got != "1" {
		t.Errorf("final: %s are due", got)
	}
	if _, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error { return m.Replay(false, time.Time{}, now) }); err != nil {
		t.Fatal(err)
	}
	if got := due(); got != "0" {
		t.Errorf("replayed: %s are due", got)
	}
	cancel(t, l, m.ID)
	if err := l.Redact(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	got := read(t, l, m.ID).Message
	if due() != "0" || got.Content.Text != "" || got.Content.To != m.Content.To || got.RedactedAt.IsZero() {
		t.Errorf("redacted: %s are due, %+v", due(), got)
	}
	if ttl := rdb.PTTL(t.Context(), ledger.DefaultPrefix+m.ID.Identity()).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("kept for %s", ttl)
	}
	if err := rdb.ZScore(t.Context(), ledger.DefaultPrefix+"content", m.ID.Packed()).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("still listed: %v", err)
	}
}
