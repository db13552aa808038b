package httpapi

import (
	"strconv"
	"testing"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func rowOf(text string, media ...string) ledger.Row {
	return ledger.Row{Content: message.Content{To: "+12065551212", Text: text, Media: media}}
}

func TestDuplicateContent(t *testing.T) {
	t.Parallel()
	l := newContentDetector()
	chunks := [][]struct {
		row  ledger.Row
		want bool
	}{
		{
			{rowOf("a", "x"), true},
			{rowOf("a", "x"), true},
			{rowOf("b", "x"), false}, // another text
			{rowOf("a", "y"), false},
			{rowOf("a", "x", "y"), false},
			{rowOf("a", "y", "x"), false},
			{rowOf("", "ax"), false},
		},
		{
			{rowOf("a", "x"), true},
			{rowOf("b", "x"), true}, // as in the chunk before
			{rowOf("c", "x"), false},
		},
	}
	for i, chunk := range chunks {
		rows := make([]ledger.Row, len(chunk))
		for j, c := range chunk {
			rows[j] = c.row
		}
		l.mark(rows)
		for j, c := range chunk {
			if rows[j].Shared != c.want {
				t.Errorf("chunk %d, row %d: %t", i, j, rows[j].Shared)
			}
		}
	}
}

// TestContentDetectorIgnoresOtherFields: subject, sender and fallback text are
// stored with each message.
func TestContentDetectorIgnoresOtherFields(t *testing.T) {
	t.Parallel()
	one, other := rowOf("a", "x"), rowOf("a", "x")
	other.Content.To, other.Content.Subject, other.Content.FallbackText = "+12065551313", "s", "f"
	rows := []ledger.Row{one, other}
	newContentDetector().mark(rows)
	if !rows[0].Shared || !rows[1].Shared {
		t.Error("they have text and media in common")
	}
}

func TestDuplicateContentIsBounded(t *testing.T) {
	t.Parallel()
	l := newContentDetector()
	for i := range 3 * sharedMax {
		l.mark([]ledger.Row{rowOf(strconv.Itoa(i), "x")})
	}
	if len(l.seen) > sharedMax {
		t.Errorf("%d", len(l.seen))
	}
	rows := []ledger.Row{rowOf("new", "x"), rowOf("new", "x"), rowOf("0", "x")}
	l.mark(rows)
	for i, row := range rows {
		if !row.Shared {
			t.Errorf("row %d", i)
		}
	}
}
