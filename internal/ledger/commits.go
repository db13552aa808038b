package ledger

import (
	"context"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
)

// commit is one message to be written down.
type commit struct {
	secret  string
	message *message.Message
	closed  bool
}

// commit writes some messages down, those of one scope in one step.
func (l *Ledger) commit(ctx context.Context, some []commit) []batcher.Result[string] {
	groups, members := arrange(some)
	told := make([]batcher.Result[string], len(some))
	for g, answer := range l.acceptGroups(ctx, groups) {
		for row, i := range members[g] {
			if told[i].Err = answer.Err; answer.Err == nil {
				told[i].Value = answer.Value[row]
			}
		}
	}
	return told
}

// arrange puts messages of one scope and secret together. members tells which
// ones a group holds.
func arrange(some []commit) (groups []group, members [][]int) {
	type kind struct {
		scope  message.Scope
		secret string
	}
	open := make(map[kind]int)
	for i, one := range some {
		k := kind{one.message.Scope, one.secret}
		at, ok := open[k]
		if !ok || len(groups[at].rows) == groupMax {
			at = len(groups)
			open[k] = at
			groups, members = append(groups, group{secret: one.secret}), append(members, nil)
		}
		groups[at].rows = append(groups[at].rows, groupRow{message: one.message, closed: one.closed})
		members[at] = append(members[at], i)
	}
	return groups, members
}
