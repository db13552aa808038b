package ledger

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/message"
)

// errBatchGone is returned when Redis was emptied since the batch was opened. The
// client submits the batch again; its rows cannot be recorded without it.
var errBatchGone = errors.New("batch is gone")

// AcceptRows records messages of a batch, many in one step. There is one result for
// each row, in order. On ErrUnavailable any of them may have been accepted.
func (l *Ledger) AcceptRows(ctx context.Context, b Batch, rows []Row) ([]RowResult, error) {
	shard, err := l.shards.of(ctx, b.Scope, message.Bulk)
	if err != nil {
		return nil, err
	}
	batch := rowBatch{codec: l.codec, batch: b, rows: rows, shard: shard, now: l.opts.Now().UTC().Truncate(time.Millisecond)}
	results := make([]RowResult, len(rows))
	pending := make([]int, 0, len(rows)/groupMax+1)
	for first := 0; first < len(rows); first += groupMax {
		pending = append(pending, first)
	}
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		pending, err = l.acceptRows(ctx, batch.groups(secret, pending), pending, results)
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// acceptRows fills in the results of groups, which begin at the rows of first. It
// returns as pending the groups whose secret was outdated: no row of them was
// written.
func (l *Ledger) acceptRows(ctx context.Context, groups []group, first []int, results []RowResult) (pending []int, err error) {
	for i, answer := range l.acceptGroups(ctx, groups) {
		if _, changed := errors.AsType[*secretError](answer.Err); changed {
			pending, err = append(pending, first[i]), answer.Err
			continue
		}
		if answer.Err != nil {
			return nil, answer.Err
		}
		for row, verdict := range answer.Value {
			r := &results[first[i]+row]
			r.Accepted, r.Err = l.outcome(groups[i].rows[row].message, verdict)
		}
	}
	return pending, err
}

// rowBatch holds the rows of one AcceptRows.
type rowBatch struct {
	codec codec
	batch Batch
	rows  []Row
	shard int // of those in the bulk lane
	now   time.Time
}

// groups creates the messages of the rows, up to groupMax from each of first on.
func (b rowBatch) groups(secret *message.Secret, first []int) []group {
	groups := make([]group, len(first))
	for i, at := range first {
		rows := b.rows[at:min(at+groupMax, len(b.rows))]
		g := group{secret: secret.Value(), batch: b.batch.ID, quota: b.batch.Quota, rows: make([]groupRow, len(rows))}
		for j, row := range rows {
			m := message.New(rowID(secret, b.batch, row, b.now), b.batch.Scope, row.Content, row.From, b.now)
			m.AcceptHeld(row.Held, b.now)
			m.Pace, m.Trace = b.batch.Pace, row.Trace
			m.BatchID, m.Shared, m.Group = b.batch.ID, row.Shared, b.codec.group(row.Group)
			if row.Content.Priority == message.Bulk {
				m.Shard = b.shard
			}
			g.rows[j] = groupRow{message: m, closed: row.Closed}
		}
		groups[i] = g
	}
	return groups
}

// rowID derives the id of a row from its own reference, else from its index in a
// batch that has a reference; otherwise the id is random.
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
