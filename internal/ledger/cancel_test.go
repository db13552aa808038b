package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// largeRows are rows with texts of 4 KB.
func largeRows(n int) []ledger.Row {
	list := rows(n, "r")
	for i := range list {
		list[i].Content.Text = strings.Repeat("Your parcel is on its way. ", 150)
	}
	return list
}

// A canceled batch frees most of its memory at once, and its messages can still be
// replayed with all that they said.
func TestCanceledBatchFreesItsMemory(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]*encryption.Keys{"plain": nil, "encrypted": someKeys(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, rdb := newLedger(t, ledger.Options{RecordTTL: time.Hour, Keys: keys})
			b, _ := openBatch(t, l, "", "")
			list := largeRows(20)
			results, err := l.AcceptRows(t.Context(), b, list)
			if err != nil {
				t.Fatal(err)
			}
			stored := func() (sum int64) {
				for _, r := range results {
					sum += rdb.StrLen(t.Context(), ledger.DefaultPrefix+r.Message.ID.Identity()).Val()
				}
				return sum
			}
			before := stored()
			if _, err := l.CancelBatch(t.Context(), b.Scope, b.ID); err != nil {
				t.Fatal(err)
			}
			if err := l.ContinueCancels(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after := stored(); after > before/4 {
				t.Errorf("%d bytes before the cancel, %d after it", before, after)
			}
			replayed, err := l.Update(t.Context(), results[0].Message.ID, func(m *message.Message, now time.Time) error {
				return m.Replay(false, time.Time{}, now)
			})
			if err != nil || !replayed.Content.Equal(list[0].Content) || replayed.Status != message.StatusQueued {
				t.Errorf("replayed: %+v, %v", replayed, err)
			}
		})
	}
}

// With ContentTTL a canceled batch drops its content at once.
func TestCanceledBatchDropsItsContent(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{RecordTTL: time.Hour, ContentTTL: time.Hour})
	b, _ := openBatch(t, l, "", "")
	results, err := l.AcceptRows(t.Context(), b, largeRows(20))
	if err != nil {
		t.Fatal(err)
	}
	first := results[0].Message
	cancel(t, l, first.ID)
	if m := read(t, l, first.ID).Message; !m.RedactedAt.IsZero() {
		t.Error("a message that was canceled by itself lost its content at once")
	}
	if _, err := l.CancelBatch(t.Context(), b.Scope, b.ID); err != nil {
		t.Fatal(err)
	}
	if err := l.ContinueCancels(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		m := read(t, l, r.Message.ID).Message
		if m.Status != message.StatusCanceled || m.RedactedAt.IsZero() || m.Content.Text != "" || m.Content.Media != nil {
			t.Errorf("%s is %s and says %.20q", m.ID, m.Status, m.Content.Text)
		}
	}
	if _, err := l.Update(t.Context(), first.ID, func(m *message.Message, now time.Time) error {
		return m.Replay(false, time.Time{}, now)
	}); !errors.Is(err, message.ErrNotReplayable) {
		t.Errorf("replayed: %v", err)
	}
}
