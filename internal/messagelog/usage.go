package messagelog

import (
	"context"
	"fmt"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// copyUsage copies the counts of today and yesterday, of those scopes whose messages
// this writer has handled.
func (w *Writer) copyUsage(ctx context.Context) error {
	const (
		days = 2
		day  = 24 * time.Hour
	)
	first := w.log.opts.Now().UTC().Truncate(day).AddDate(0, 0, 1-days)
	for scope := range w.scopes {
		usage, err := w.ledger.Usage(ctx, scope, first, days)
		if err != nil {
			return fmt.Errorf("usage: %w", err)
		}
		for i, u := range usage {
			if err := w.log.WriteUsage(ctx, scope, first.AddDate(0, 0, i), u); err != nil {
				return err
			}
		}
	}
	return nil
}

const writeUsage = `insert into mms_usage_daily (tenant, kind, day, accepted, duplicates, rejected, sent, delivered, undelivered,
	failed, expired, canceled, unknown) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (tenant, kind, day) do update set
	accepted = greatest(mms_usage_daily.accepted, excluded.accepted),
	duplicates = greatest(mms_usage_daily.duplicates, excluded.duplicates),
	rejected = greatest(mms_usage_daily.rejected, excluded.rejected), sent = greatest(mms_usage_daily.sent, excluded.sent),
	delivered = greatest(mms_usage_daily.delivered, excluded.delivered),
	undelivered = greatest(mms_usage_daily.undelivered, excluded.undelivered),
	failed = greatest(mms_usage_daily.failed, excluded.failed), expired = greatest(mms_usage_daily.expired, excluded.expired),
	canceled = greatest(mms_usage_daily.canceled, excluded.canceled), unknown = greatest(mms_usage_daily.unknown, excluded.unknown)`

// WriteUsage logs the counts of a scope for a UTC day. They only grow.
func (l *Log) WriteUsage(ctx context.Context, scope message.Scope, day time.Time, u ledger.Usage) error {
	_, err := l.pool.Exec(ctx, writeUsage, scope.Tenant, kindOf(scope), day, u.Accepted, u.Duplicates, u.Rejected,
		u.Entered[message.StatusSent], u.Entered[message.StatusDelivered], u.Entered[message.StatusUndelivered],
		u.Entered[message.StatusFailed], u.Entered[message.StatusExpired], u.Entered[message.StatusCanceled],
		u.Entered[message.StatusUnknown])
	if err != nil {
		return unavailable("write usage", err)
	}
	return nil
}
