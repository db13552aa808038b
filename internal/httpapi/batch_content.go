package httpapi

import (
	"hash/maphash"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// sharedMax bounds the contents that are kept for one batch, so that the memory
// of a stream stays constant. Of further contents only rows in the same chunk are
// found to be equal.
const sharedMax = 4096

// contentDetector finds the rows of a batch that have text and media in common.
type contentDetector struct {
	seed maphash.Seed
	seen map[uint64]bool
}

func newContentDetector() *contentDetector {
	return &contentDetector{seed: maphash.MakeSeed(), seen: make(map[uint64]bool)}
}

// mark marks the rows of a chunk whose content occurs elsewhere in it or in an
// earlier chunk. A hash collision marks rows without need, which is harmless.
func (l *contentDetector) mark(rows []ledger.Row) {
	sums := make([]uint64, len(rows))
	count := make(map[uint64]int, len(rows))
	for i := range rows {
		sums[i] = l.sum(rows[i].Content)
		count[sums[i]]++
	}
	for i := range rows {
		rows[i].Shared = count[sums[i]] > 1 || l.seen[sums[i]]
	}
	for sum := range count {
		if len(l.seen) >= sharedMax {
			return
		}
		l.seen[sum] = true
	}
}

// sum hashes the part of a message that the record stores once: text and media,
// in order.
func (l *contentDetector) sum(c message.Content) uint64 {
	var hash maphash.Hash
	hash.SetSeed(l.seed)
	_, _ = hash.WriteString(c.Text)
	for _, url := range c.Media {
		_ = hash.WriteByte(0) // in no text and no URL
		_, _ = hash.WriteString(url)
	}
	return hash.Sum64()
}
