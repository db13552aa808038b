package messagelog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/message"
)

// Grouping is what the lines of a report are about.
type Grouping string

// The groupings.
const (
	ByDay     Grouping = "day"
	ByHour    Grouping = "hour"
	ByBatch   Grouping = "batch"
	ByReason  Grouping = "reason"
	BySender  Grouping = "sender"
	ByCarrier Grouping = "carrier"
)

// Groupings lists every grouping.
func Groupings() []Grouping { return []Grouping{ByDay, ByHour, ByBatch, ByReason, BySender, ByCarrier} }

// key is the expression of the key of a line.
func (g Grouping) key() string {
	switch g {
	case ByHour:
		return `to_char(submitted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24":00Z"')`
	case ByBatch:
		return "batch_id"
	case ByReason:
		return "reason_code"
	case BySender:
		return "sinch_number"
	case ByCarrier:
		return "operator_id"
	case ByDay:
	}
	return "to_char(submitted_at at time zone 'UTC', 'YYYY-MM-DD')"
}

// ReportLine is a line of a report.
type ReportLine struct {
	Key    string // empty: messages without the property
	Counts map[message.Status]int64
	// P50 and P95 are percentiles of the time from accepted to delivered; nil: none was
	// delivered.
	P50, P95 *float64 // seconds
}

// Report counts the messages of a scope that were accepted from first up to end.
func (l *Log) Report(ctx context.Context, scope message.Scope, by Grouping, first, end time.Time) ([]ReportLine, error) {
	rows, err := l.pool.Query(ctx, fmt.Sprintf(`
		with selected as materialized (
			select coalesce(%s, '') as key, status, extract(epoch from final_at - submitted_at)::float8 as seconds
			from mms_log where tenant = $1 and kind = $2 and submitted_at >= $3 and submitted_at < $4
		), counted as (
			select key, jsonb_object_agg(status, n) as counts
			from (select key, status, count(*) as n from selected group by key, status) c group by key
		), timed as (
			select key, percentile_cont(0.5) within group (order by seconds) as p50,
				percentile_cont(0.95) within group (order by seconds) as p95
			from selected where status = 'delivered' group by key
		)
		select key, counts, p50, p95 from counted left join timed using (key) order by key collate "C"`, by.key()),
		scope.Tenant, kindOf(scope), first, end)
	if err != nil {
		return nil, unavailable("report", err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (line ReportLine, err error) {
		err = row.Scan(&line.Key, &line.Counts, &line.P50, &line.P95)
		return line, err //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return nil, unavailable("report", err)
	}
	return lines, nil
}
