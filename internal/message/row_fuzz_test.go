package message

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRow: a row in JSON, on its own or completed by a column of a CSV, is
// either refused or means a content that, written out again, is the same.
func FuzzRow(f *testing.F) {
	f.Add([]byte(`{`+minimal+`,"text":"hi","metadata":{"k":"v"}}`), "priority", "bulk")
	f.Add([]byte(`{"to":"206-555-1212"}`), "media", "https://e.com/a  https://e.com/b")
	f.Add([]byte(`{"to":null,"media":[null]}`), "metadata.a b", "c")
	f.Add([]byte(`[`), "metadata.", "x")
	f.Add([]byte(`{`+minimal+`,"sendAt":"2026-03-01t13:00:00z"}`), "expiresAt", "2026-03-02T00:00:00+01:00")
	rules := testRules()
	f.Fuzz(func(t *testing.T, row []byte, column, cell string) {
		var defaults Fields
		if Column(column) {
			defaults.Set(column, cell)
		}
		draft := rules.CheckRow(ReadRow(row), defaults, testNow())
		if len(draft.Problems) > 0 {
			return
		}
		again := rules.CheckRow(ReadRow(written(t, draft.Content)), Fields{}, testNow())
		if len(again.Problems) > 0 {
			t.Fatalf("written out again: %v", found(again.Problems))
		}
		if !again.Content.Equal(draft.Content) {
			t.Error(cmp.Diff(draft.Content, again.Content))
		}
	})
}
