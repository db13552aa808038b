package messagelog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// partitioned are the tables with a partition for each month, by the time at which
// messages were submitted.
func partitioned() []string { return []string{"mms_log", "mms_log_event"} }

const (
	monthLayout = "2006_01"
	// monthsAhead is the number of months for which partitions are made in advance.
	monthsAhead = 2
	// lockTimeout bounds the wait for a lock on a table: whoever comes later waits
	// behind the waiting one.
	lockTimeout = "2s"
)

func monthOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// makeAhead makes the partitions of this month and of those to come.
func (l *Log) makeAhead(ctx context.Context) error {
	this := monthOf(l.opts.Now())
	for i := range monthsAhead + 1 {
		if err := l.ensurePartition(ctx, this.AddDate(0, i, 0)); err != nil {
			return err
		}
	}
	return nil
}

// ensurePartition makes the partitions of a month unless they exist.
func (l *Log) ensurePartition(ctx context.Context, month time.Time) error {
	suffix := month.Format(monthLayout)
	l.mu.Lock()
	known := l.partitions[suffix]
	l.mu.Unlock()
	if known {
		return nil
	}
	for _, table := range partitioned() {
		if err := l.makePartition(ctx, table, month); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partitions[suffix] = true
	return nil
}

// forgetPartitions makes ensurePartition ask PostgreSQL again.
func (l *Log) forgetPartitions() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.partitions)
}

// makePartition makes one partition. ATTACH takes a lock that neither reads nor
// writes wait for, unlike CREATE … PARTITION OF.
func (l *Log) makePartition(ctx context.Context, table string, month time.Time) error {
	name := table + "_" + month.Format(monthLayout)
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockTimeout+"'"); err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		// Processes that make partitions wait for each other.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mms_log partitions'))"); err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		var attached bool
		err := tx.QueryRow(ctx, "select exists (select from pg_inherits where inhrelid = to_regclass($1))", name).Scan(&attached)
		if err != nil || attached {
			return err //nolint:wrapcheck // wrapped below
		}
		statements := []string{
			fmt.Sprintf("create table if not exists %s (like %s including defaults including constraints)", name, table),
			fmt.Sprintf("alter table %s attach partition %s for values from ('%s') to ('%s')",
				table, name, month.Format(time.RFC3339), month.AddDate(0, 1, 0).Format(time.RFC3339)),
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
		}
		return nil
	})
	if err != nil {
		return unavailable("make partition "+name, err)
	}
	return nil
}

// partition is the table of a month.
type partition struct {
	table, name string
	month       time.Time
	attached    bool
	pending     bool // its detachment has begun
}

// listPartitions reads the tables of the months, the oldest first: also those that
// were detached and not dropped yet.
func (l *Log) listPartitions(ctx context.Context, table string) ([]partition, error) {
	rows, err := l.pool.Query(ctx, `select c.relname, i.inhrelid is not null, coalesce(i.inhdetachpending, false)
		from pg_class c left join pg_inherits i on i.inhrelid = c.oid
		where c.relkind = 'r' and c.relname ~ ('^' || $1 || '_[0-9]{4}_[0-9]{2}$') and pg_table_is_visible(c.oid)
		order by c.relname`, table)
	if err != nil {
		return nil, unavailable("list partitions", err)
	}
	defer rows.Close()
	var all []partition
	for rows.Next() {
		p := partition{table: table}
		if err := rows.Scan(&p.name, &p.attached, &p.pending); err != nil {
			return nil, unavailable("list partitions", err)
		}
		if p.month, err = time.Parse(monthLayout, strings.TrimPrefix(p.name, table+"_")); err == nil {
			all = append(all, p)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("list partitions", err)
	}
	return all, nil
}
