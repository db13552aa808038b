package httpapi

import (
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// groups finds rows of a batch that one call to Sinch can carry: those that
// differ in nothing but the recipient. A row that is like no other of its chunk,
// nor like those found together in an earlier one, stays without a group, so
// that a batch of unlike messages costs nothing.
type groups struct{ known map[string]bool }

// groupsMax bounds what is remembered of a stream. A batch with more different
// contents than that has small groups anyway.
const groupsMax = 10_000

// mark gives rows of a chunk their groups.
func (g *groups) mark(batch message.BatchID, rows []ledger.Row) {
	names := make([]string, len(rows))
	members := make(map[string]int, len(rows))
	for i, row := range rows {
		names[i] = message.GroupOf(batch, row.Content, row.From)
		members[names[i]]++
	}
	for i, name := range names {
		if members[name] > 1 || g.known[name] {
			rows[i].Group = name
			g.remember(name)
		}
	}
}

func (g *groups) remember(name string) {
	if g.known == nil || len(g.known) >= groupsMax && !g.known[name] {
		g.known = make(map[string]bool)
	}
	g.known[name] = true
}
