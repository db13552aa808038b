package messagelog_test

import (
	"strings"
	"testing"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// everything is the text of all rows.
func (b *bundle) everything(t *testing.T) string {
	t.Helper()
	var text string
	must(t, b.db(t).QueryRow(t.Context(), `select string_agg(r, ' ') from (
		select m::text || encode(m.record, 'escape') r from mms_log m union all select e::text from mms_log_event e) all_rows`).Scan(&text))
	return text
}

// With RECORD_KEYS nothing of the content and no number is readable in PostgreSQL; a
// search by number finds the message all the same.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *settings) { s.keys = newKeys(t) })
	m := b.accept(t)
	b.round(t)
	for _, private := range []string{recipient[1:], recipient[2:], text, "Parcel", "example.com", "parcel"} {
		if strings.Contains(b.everything(t), private) {
			t.Errorf("%q is readable", private)
		}
	}
	found, err := b.log.Messages(t.Context(), shop(), messagelog.Query{To: recipient, Limit: 10})
	must(t, err)
	if len(found) != 1 || found[0].ID != m.ID || found[0].Content.Text != text || found[0].Content.To != recipient {
		t.Errorf("found %+v", found)
	}
}

// With LOG_NUMBERS=hash no number is in PostgreSQL: a search finds the message, which
// shows its number masked.
func TestHashedNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *settings) { s.hashKey = []byte(strings.Repeat("h", 32)) })
	b.accept(t)
	b.round(t)
	if strings.Contains(b.everything(t), recipient[2:]) {
		t.Error("the number is readable")
	}
	found, err := b.log.Messages(t.Context(), shop(), messagelog.Query{To: recipient, Limit: 10})
	must(t, err)
	if len(found) != 1 || found[0].Content.To != message.Masked(recipient) || found[0].Content.Text != text {
		t.Errorf("found %+v", found)
	}
}
