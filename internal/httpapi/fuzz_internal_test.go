package httpapi

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

// FuzzCursor: a cursor that is taken names one place, which written down again
// is the same place; and no cursor fits two kinds of lists.
func FuzzCursor(f *testing.F) {
	id := message.NewID(message.RandomIdentity(), time.UnixMilli(1_772_366_400_000))
	f.Add(position{created: 1_772_366_400_000, id: id}.cursor())
	f.Add(placeCursor(7))
	f.Add("")
	f.Add("MTc3 MjM2")
	f.Fuzz(func(t *testing.T, cursor string) {
		kinds := 0
		if p, err := parseCursor(cursor); err == nil {
			kinds++
			if again, err := parseCursor(p.cursor()); err != nil || again != p {
				t.Errorf("%+v became %+v, %v", p, again, err)
			}
		}
		if place, ok := parsePlace(cursor); ok {
			kinds++
			if again, ok := parsePlace(placeCursor(place)); !ok || again != place || place < 0 {
				t.Errorf("%d became %d", place, again)
			}
		}
		if p, ok := parseBatchCursor(cursor); ok {
			kinds++
			if again, ok := parseBatchCursor(batchCursor(p)); !ok || again != p {
				t.Errorf("%+v became %+v", p, again)
			}
		}
		if kinds > 1 {
			t.Errorf("%q fits %d kinds of lists", cursor, kinds)
		}
	})
}
