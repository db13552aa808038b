package ledger

import (
	"context"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
)

// commit is one message to record.
type commit struct {
	secret  string
	message *message.Message
	closed  bool
	quota   Quota
}

// commit records messages, those of one scope in one step. The results are in the
// order of the commits.
func (l *Ledger) commit(ctx context.Context, commits []commit) []batcher.Result[string] {
	groups, members := arrange(commits)
	results := make([]batcher.Result[string], len(commits))
	for g, answer := range l.acceptGroups(ctx, groups) {
		for row, i := range members[g] {
			if results[i].Err = answer.Err; answer.Err == nil {
				results[i].Value = answer.Value[row]
			}
		}
	}
	return results
}

// arrange groups messages by scope and secret. members holds, for each row of each
// group, its index in commits.
func arrange(commits []commit) (groups []group, members [][]int) {
	type kind struct {
		scope  message.Scope
		secret string
		quota  Quota
	}
	open := make(map[kind]int)
	for i, one := range commits {
		k := kind{one.message.Scope, one.secret, one.quota}
		at, ok := open[k]
		if !ok || len(groups[at].rows) == groupMax {
			at = len(groups)
			open[k] = at
			groups, members = append(groups, group{secret: one.secret, quota: one.quota}), append(members, nil)
		}
		groups[at].rows = append(groups[at].rows, groupRow{message: one.message, closed: one.closed})
		members[at] = append(members[at], i)
	}
	return groups, members
}
