package messagelog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/message"
)

// Problem counts the messages of a scope that are in one state for one reason, at one
// carrier, and were accepted within one hour.
type Problem struct {
	Scope     message.Scope
	Status    message.Status
	Reason    message.ReasonCode
	SinchCode string // empty: Sinch gave none
	Operator  string // the carrier's id; empty: not known
	Text      string // of the reason of one of them
	Ago       int    // the hour: 0 is the one that ends now
	Count     int64
	First     time.Time
	Last      time.Time
}

// Problems counts the messages of scopes in some states, which have a reason, over the
// last hours.
func (l *Log) Problems(
	ctx context.Context, scopes []message.Scope, statuses []message.Status, now time.Time, hours int,
) ([]Problem, error) {
	tenants, kinds := make([]string, len(scopes)), make([]string, len(scopes))
	for i, scope := range scopes {
		tenants[i], kinds[i] = scope.Tenant, kindOf(scope)
	}
	rows, err := l.pool.Query(ctx, `
		select m.tenant, m.kind = 'test', m.status, m.reason_code, coalesce(m.sinch_code, ''), coalesce(m.operator_id, ''),
			coalesce(max(m.error_message), ''), floor(extract(epoch from $4 - m.submitted_at) / 3600)::int, count(*),
			min(m.submitted_at), max(m.submitted_at)
		from unnest($1::text[], $2::text[]) as s (tenant, kind) cross join lateral (
			select l.tenant, l.kind, l.status, l.reason_code, l.sinch_code, l.operator_id, l.error_message, l.submitted_at from mms_log l
			where l.tenant = s.tenant and l.kind = s.kind and l.reason_code is not null and l.status = any($3)
				and l.submitted_at > $4::timestamptz - make_interval(hours => $5) and l.submitted_at <= $4
		) m
		group by 1, 2, 3, 4, 5, 6, 8`, tenants, kinds, texts(statuses), now, hours)
	if err != nil {
		return nil, unavailable("count problems", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Problem, err error) {
		err = row.Scan(&p.Scope.Tenant, &p.Scope.Test, &p.Status, &p.Reason, &p.SinchCode, &p.Operator, &p.Text, &p.Ago, &p.Count,
			&p.First, &p.Last)
		return p, err //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return nil, unavailable("count problems", err)
	}
	return found, nil
}
