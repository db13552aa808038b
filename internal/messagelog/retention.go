package messagelog

import (
	"context"
	"fmt"
	"time"
)

// Retain drops the partitions whose messages are all older than the retention, and
// deletes the older rows of the other tables in small steps. Reads and writes go on
// meanwhile.
func (l *Log) Retain(ctx context.Context) error {
	oldest := l.oldest()
	for _, table := range partitioned() {
		all, err := l.listPartitions(ctx, table)
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.month.AddDate(0, 1, 0).After(oldest) {
				break
			}
			if err := l.dropPartition(ctx, p); err != nil {
				return err
			}
		}
	}
	for _, old := range []struct{ table, column string }{
		{"mms_log_batch", "created_at"}, {"mms_audit", "at"}, {"mms_inbound", "received_at"}, {"mms_usage_daily", "day"},
	} {
		if err := l.deleteOld(ctx, old.table, old.column, oldest); err != nil {
			return err
		}
	}
	return l.deleteOld(ctx, "mms_inbound_erased", "erased_at", l.opts.Now().Add(-inboundErasedKept))
}

// inboundErasedKept is longer than any round of a writer takes.
const inboundErasedKept = time.Hour

// oldest is the time before which messages are not kept.
func (l *Log) oldest() time.Time { return l.opts.Now().Add(-l.opts.Retention) }

// dropPartition detaches and drops a partition. DETACH … CONCURRENTLY lets reads and
// writes of the table go on; one that was interrupted is finalised.
func (l *Log) dropPartition(ctx context.Context, p partition) error {
	l.mu.Lock()
	delete(l.partitions, p.month.Format(monthLayout))
	l.mu.Unlock()
	if p.attached {
		how := "concurrently"
		if p.pending {
			how = "finalize"
		}
		_, err := l.pool.Exec(ctx, fmt.Sprintf("alter table %s detach partition %s %s", p.table, p.name, how))
		if hasCode(err, codeUndefinedTable, codeNotInState) {
			return nil // another process drops it
		}
		if err != nil {
			return unavailable("detach partition", err)
		}
	}
	if _, err := l.pool.Exec(ctx, "drop table if exists "+p.name); err != nil {
		return unavailable("drop partition", err)
	}
	return nil
}

// deleteStep is the number of rows that one statement deletes.
const deleteStep = 1000

func (l *Log) deleteOld(ctx context.Context, table, column string, oldest time.Time) error {
	statement := fmt.Sprintf("delete from %[1]s where ctid = any(array(select ctid from %[1]s where %[2]s < $1 limit %[3]d))",
		table, column, deleteStep)
	for {
		done, err := l.pool.Exec(ctx, statement, oldest)
		if err != nil {
			return unavailable("delete old rows", err)
		}
		if done.RowsAffected() < deleteStep {
			return nil
		}
	}
}
