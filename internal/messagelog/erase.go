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

const eraseRow = `update mms_log set recipient = $3, media_url = null, message_text = null, subject = null, metadata = null, record = $4
where submitted_at = $1 and id = $2`

// Erase drops the content and the number of messages that Redis no longer has, and
// returns how many of them the scope has. Erasing twice is no error.
func (l *Log) Erase(ctx context.Context, scope message.Scope, ids []message.ID) (erased int, err error) {
	submitted := make([]time.Time, len(ids))
	for i, id := range ids {
		submitted[i] = id.Created()
	}
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select record, version from mms_log where submitted_at = any($1) and id = any($2)
			and tenant = $3 and kind = $4 order by id for update`, submitted, texts(ids), scope.Tenant, kindOf(scope))
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[packed])
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		for _, one := range all {
			if err := l.eraseOne(ctx, tx, one); err != nil {
				return err
			}
		}
		erased = len(all)
		return nil
	})
	if err != nil {
		return 0, unavailable("erase messages", err)
	}
	return erased, nil
}

// packed is the record of a row.
type packed struct {
	Record  []byte
	Version int64
}

func (l *Log) eraseOne(ctx context.Context, tx pgx.Tx, one packed) error {
	m, err := l.opts.Records.Unpack(one.Record)
	if err != nil && !errors.Is(err, encryption.ErrKeyMissing) {
		return fmt.Errorf("record of a message: %w", err)
	}
	m.EraseLogged(l.opts.Now())
	_, err = tx.Exec(ctx, eraseRow, m.ID.Created(), string(m.ID), m.Content.To, l.opts.Records.Pack(m, one.Version))
	return err //nolint:wrapcheck // the caller wraps it
}
