package messagelog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

// hiddenMark is what every masked number contains: a row with it is erased.
const hiddenMark = "…"

// eraseSlack is by how much the clocks of processes differ, and the longest round of a
// writer: a message that is older than the retention by more is written by none.
const eraseSlack = time.Hour

// writeErased writes messages that were erased in Redis, so that a writer that has
// read them before cannot write their content afterwards.
func (l *Log) writeErased(ctx context.Context, entries []Entry) error {
	written := make([]Entry, 0, len(entries))
	for _, one := range entries {
		if one.Message.ID.Created().After(l.oldest().Add(-eraseSlack)) {
			written = append(written, one)
		}
	}
	return l.writeAll(ctx, sorted(written))
}

// eraseRows drops the content and the number of messages as the log has them, whatever
// their version, and returns how many of the messages the scope has. Erasing twice is
// no error.
func (l *Log) eraseRows(ctx context.Context, scope message.Scope, ids []message.ID) (found int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	submitted := make([]time.Time, len(ids))
	for i, id := range ids {
		submitted[i] = id.Created()
	}
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select record, version, redacted_at is not null and strpos(recipient, $5) > 0 from mms_log
			where submitted_at = any($1) and id = any($2) and tenant = $3 and kind = $4 order by id for update`,
			submitted, texts(ids), scope.Tenant, kindOf(scope), hiddenMark)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[packed])
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		found = len(all)
		return l.dropContent(ctx, tx, all, l.erase)
	})
	if err != nil {
		return 0, unavailable("erase messages", err)
	}
	return found, nil
}

// packed is the record of a row.
type packed struct {
	Record  []byte
	Version int64
	Done    bool // there is nothing to drop
}

// erase drops the content and the number of a message, and returns what its row has as
// recipient. Of a message whose key is missing not even a masked number is known.
func (l *Log) erase(m *message.Message) (recipient *string) {
	m.EraseLogged(l.opts.Now())
	if m.Content.To == "" {
		m.Content.To = hiddenMark
	}
	return &m.Content.To
}

const dropContentOfRow = `update mms_log set recipient = coalesce($3, recipient), media_url = null, message_text = null, subject = null,
	metadata = null, redacted_at = $4, record = $5
where submitted_at = $1 and id = $2`

// dropContent changes rows as drop changes their messages; drop returns the new
// recipient, or nil where it stays.
func (l *Log) dropContent(ctx context.Context, tx pgx.Tx, all []packed, drop func(m *message.Message) (recipient *string)) error {
	var batch pgx.Batch
	for _, one := range all {
		if one.Done {
			continue
		}
		m, err := l.opts.Records.Unpack(one.Record)
		if err != nil && !errors.Is(err, encryption.ErrKeyMissing) {
			return fmt.Errorf("record of a message: %w", err)
		}
		recipient := drop(m)
		batch.Queue(dropContentOfRow, m.ID.Created(), string(m.ID), recipient, m.RedactedAt, l.opts.Records.Pack(m, one.Version))
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &batch).Close() //nolint:wrapcheck // the caller wraps it
}
