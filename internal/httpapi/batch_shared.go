package httpapi

import (
	"hash/maphash"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// sharedMax is how many different texts with media are remembered of one batch:
// of those beyond, only rows in the same chunk are found to be alike. It keeps
// the memory of a stream constant.
const sharedMax = 4096

// likeness finds the rows of a batch that have text and media in common.
type likeness struct {
	seed maphash.Seed
	seen map[uint64]bool
}

func newLikeness() *likeness {
	return &likeness{seed: maphash.MakeSeed(), seen: make(map[uint64]bool)}
}

// mark marks the rows of a chunk that are like another one of it, or like one
// of an earlier chunk. Two contents of one hash are marked for nothing, which
// does no harm.
func (l *likeness) mark(rows []ledger.Row) {
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

// sum hashes what a saved message holds: text and media, in their order.
func (l *likeness) sum(c message.Content) uint64 {
	var hash maphash.Hash
	hash.SetSeed(l.seed)
	_, _ = hash.WriteString(c.Text)
	for _, medium := range c.Media {
		_ = hash.WriteByte(0) // in no text and no URL
		_, _ = hash.WriteString(medium)
	}
	return hash.Sum64()
}
