package messagelog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// usageCopiedKey has the time of the last copy of all counts, in Unix ms.
const usageCopiedKey = redisconn.KeyPrefix + "log:usage"

const (
	// usageSlack is by how much clocks may differ, or a count be late, at the end of a day.
	usageSlack = time.Hour
	// usageFirst is how far the first copy goes back.
	usageFirst = ledger.UsageListed
)

// copyUsage copies the counts of the days since the last copy, of every scope that has
// any.
func (w *Writer) copyUsage(ctx context.Context) error {
	now := w.log.opts.Now()
	since := now.Add(-usageFirst)
	copied, err := w.rdb.Get(ctx, usageCopiedKey).Int64()
	if err == nil && time.UnixMilli(copied).Before(now) {
		since = time.UnixMilli(copied).Add(-usageSlack)
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return redisFailed("read usage", err)
	}
	usage, err := w.ledger.UsageSince(ctx, since)
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	if err := w.log.WriteUsage(ctx, usage); err != nil {
		return err
	}
	if err := w.rdb.Set(ctx, usageCopiedKey, now.UnixMilli(), 0).Err(); err != nil {
		return redisFailed("read usage", err)
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

// WriteUsage logs the counts of scopes for UTC days. They only grow.
func (l *Log) WriteUsage(ctx context.Context, all []ledger.DailyUsage) error {
	if len(all) == 0 {
		return nil
	}
	var batch pgx.Batch
	for _, u := range all {
		batch.Queue(writeUsage, u.Scope.Tenant, kindOf(u.Scope), u.Day, u.Accepted, u.Duplicates, u.Rejected,
			u.Entered[message.StatusSent], u.Entered[message.StatusDelivered], u.Entered[message.StatusUndelivered],
			u.Entered[message.StatusFailed], u.Entered[message.StatusExpired], u.Entered[message.StatusCanceled],
			u.Entered[message.StatusUnknown])
	}
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return unavailable("write usage", err)
	}
	return nil
}
