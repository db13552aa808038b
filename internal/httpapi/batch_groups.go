package httpapi

import (
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// groups assigns a group to rows that differ in nothing but the recipient, so
// that one request to Sinch can carry them. A row without a match in its chunk or
// among the known groups stays without a group: a batch of different messages
// pays nothing.
type groups struct{ known map[string]bool }

// groupsMax bounds the known groups of a stream. A batch with more different
// contents has small groups in any case.
const groupsMax = 10_000

// mark sets the group of the rows of a chunk.
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
			g.add(name)
		}
	}
}

func (g *groups) add(name string) {
	if g.known == nil || len(g.known) >= groupsMax && !g.known[name] {
		g.known = make(map[string]bool)
	}
	g.known[name] = true
}
