package ledger

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/message"
)

// errBatchGone says that Redis was emptied since the batch was opened. Whoever
// hands it over begins anew; a row alone would belong to nothing.
var errBatchGone = errors.New("batch is gone")

// AcceptRows writes messages of a batch down, many in one step. There is one
// result for each row, in order. On ErrUnavailable any of them may have been
// accepted.
func (l *Ledger) AcceptRows(ctx context.Context, b Batch, rows []Row) ([]RowResult, error) {
	shard, err := l.shards.of(ctx, b.Scope, message.Bulk)
	if err != nil {
		return nil, err
	}
	h := handover{batch: b, rows: rows, shard: shard, now: l.opts.Now().UTC().Truncate(time.Millisecond)}
	results := make([]RowResult, len(rows))
	left := make([]int, 0, len(rows)/groupMax+1)
	for first := 0; first < len(rows); first += groupMax {
		left = append(left, first)
	}
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		left, err = l.acceptRows(ctx, h.groups(secret, left), left, results)
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// acceptRows fills in the results of groups, which begin at the rows of first.
// Those whose secret has changed meanwhile are left: nothing of them is written.
func (l *Ledger) acceptRows(ctx context.Context, groups []group, first []int, results []RowResult) (left []int, err error) {
	for i, answer := range l.acceptGroups(ctx, groups) {
		if _, changed := errors.AsType[*secretError](answer.Err); changed {
			left, err = append(left, first[i]), answer.Err
			continue
		}
		if answer.Err != nil {
			return nil, answer.Err
		}
		for row, said := range answer.Value {
			r := &results[first[i]+row]
			r.Accepted, r.Err = outcome(groups[i].rows[row].message, said)
		}
	}
	return left, err
}

// handover are rows on their way into the ledger.
type handover struct {
	batch Batch
	rows  []Row
	shard int // of those in the bulk lane
	now   time.Time
}

// groups makes messages of the rows, up to groupMax from each of first on.
func (h handover) groups(secret *message.Secret, first []int) []group {
	groups := make([]group, len(first))
	for i, at := range first {
		rows := h.rows[at:min(at+groupMax, len(h.rows))]
		g := group{secret: secret.Value(), batch: h.batch.ID, rows: make([]groupRow, len(rows))}
		for j, row := range rows {
			m := message.New(rowID(secret, h.batch, row, h.now), h.batch.Scope, row.Content, row.From, h.now)
			m.BatchID, m.Shared, m.Group = h.batch.ID, row.Shared, row.Group
			if row.Content.Priority == message.Bulk {
				m.Shard = h.shard
			}
			g.rows[j] = groupRow{message: m, closed: row.Closed}
		}
		groups[i] = g
	}
	return groups
}

// rowID is the id of a row: by its own reference, else by its place in a batch
// that has one, else by chance.
func rowID(secret *message.Secret, b Batch, row Row, now time.Time) message.ID {
	switch {
	case row.Content.ClientReference != "":
		return message.NewID(secret.Reference(b.Scope, row.Content.ClientReference), now)
	case b.Reference != "":
		return message.NewID(secret.Row(b.ID, row.Index), now)
	default:
		return message.NewID(message.RandomIdentity(), now)
	}
}
