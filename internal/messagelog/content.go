package messagelog

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

const (
	// contentStep is the number of rows whose content one transaction drops: it holds
	// their locks for some milliseconds.
	contentStep = 500
	// contentEvery is the interval at which rows are searched whose content is due.
	contentEvery = 10 * time.Second
	// contentTimeout bounds one step.
	contentTimeout = 10 * time.Second
)

// DropContent drops the content of messages that have been final for ContentTTL, until
// ctx ends. Redis drops that of the messages it still has; this is for those that left
// it before.
func (w *Writer) DropContent(ctx context.Context) {
	if w.log.opts.ContentTTL <= 0 {
		return
	}
	for {
		if _, err := w.log.DropContent(ctx); err != nil && ctx.Err() == nil {
			w.logger.Debug().Err(err).Msg("content not dropped from the long-term log; tried again")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(contentEvery):
		}
	}
}

// DropContent drops the content that is due, in steps, and returns of how many
// messages. Several processes may do so at once: each takes rows that no other has.
func (l *Log) DropContent(ctx context.Context) (dropped int, err error) {
	if l.opts.ContentTTL <= 0 {
		return 0, nil
	}
	skip := 0 // rows whose key is missing, which stay
	for {
		found, unreadable, err := l.dropStep(ctx, skip)
		dropped, skip = dropped+found-unreadable, skip+unreadable
		if err != nil || found < contentStep {
			return dropped, err
		}
	}
}

// dropStep drops the content of the rows behind the first skip of those that are due.
func (l *Log) dropStep(ctx context.Context, skip int) (found, unreadable int, err error) {
	ctx, cancel := context.WithTimeout(ctx, contentTimeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select record, version, false from mms_log
			where final_at < $1 and final_at is not null and redacted_at is null
			order by final_at offset $2 limit $3 for update skip locked`, l.opts.Now().Add(-l.opts.ContentTTL), skip, contentStep)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[packed])
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		found = len(all)
		for i := range all {
			if _, err := l.opts.Records.Unpack(all[i].Record); errors.Is(err, encryption.ErrKeyMissing) {
				all[i].Done = true
				unreadable++
			}
		}
		return l.dropContent(ctx, tx, all, l.redact)
	})
	if err != nil {
		return 0, 0, unavailable("drop content", err)
	}
	return found, unreadable, nil
}

// redact drops the content of a message, and keeps its recipient.
func (l *Log) redact(m *message.Message) (recipient *string) {
	_ = m.Redact(l.opts.Now()) // it is final
	return nil
}

// expire drops the content of a message that is read after its time, and before its row
// was found.
func (l *Log) expire(m *message.Message) {
	if l.opts.ContentTTL <= 0 || !m.Status.Final() || !m.RedactedAt.IsZero() {
		return
	}
	if due := m.FinalAt.Add(l.opts.ContentTTL); !l.opts.Now().Before(due) {
		_ = m.Redact(due) // it is final
	}
}
