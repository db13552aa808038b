package httpapi

import (
	"slices"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// FuzzCursor: an accepted cursor encodes one position and is encoded the same
// again; no cursor fits two kinds of lists.
func FuzzCursor(f *testing.F) {
	id := message.NewID(message.RandomIdentity(), time.UnixMilli(1_772_366_400_000))
	f.Add(*positionCursor(ledger.PositionOf(id)))
	f.Add(*cursorPlaces.write(7))
	f.Add(*cursorBatches.write(7, "bat_x"))
	f.Add(*cursorOptOuts.write(7, "+1", ""))
	f.Add("")
	f.Add("MTc3 MjM2")
	f.Fuzz(func(t *testing.T, cursor string) {
		kinds := 0
		if p, ok := readPosition(cursor); ok {
			kinds++
			if again, ok := readPosition(*positionCursor(p)); !ok || again != p {
				t.Errorf("%+v became %+v", p, again)
			}
		}
		for of, texts := range map[cursorOf]int{cursorPlaces: 0, cursorBatches: 1, cursorOptOuts: 2} {
			number, parts, ok := of.read(cursor, texts)
			if !ok {
				continue
			}
			kinds++
			again, rest, ok := of.read(*of.write(number, parts...), texts)
			if !ok || again != number || number < 0 || !slices.Equal(rest, parts) {
				t.Errorf("%d %q became %d %q", number, parts, again, rest)
			}
		}
		if kinds > 1 {
			t.Errorf("%q fits %d kinds of lists", cursor, kinds)
		}
	})
}
