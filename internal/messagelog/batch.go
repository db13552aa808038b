package messagelog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// writeBatches logs the batches of messages as they are after the messages.
func (w *Writer) writeBatches(ctx context.Context, entries []Entry) error {
	var ids []message.BatchID
	for _, one := range entries {
		if id := one.Message.BatchID; id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil
	}
	read, err := w.ledger.ReadBatches(ctx, ids)
	if err != nil {
		return fmt.Errorf("batches: %w", err)
	}
	return w.log.WriteBatches(ctx, read)
}

const writeBatchRows = `insert into mms_log_batch
	(id, tenant, kind, client_reference, created_at, canceled, total, valid, rejected, counts, read_at)
select id, tenant, kind, reference, created, canceled, total, valid, rejected, counts::jsonb, $11
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[], $7::bigint[], $8::bigint[],
	$9::bigint[], $10::text[])
	r (id, tenant, kind, reference, created, canceled, total, valid, rejected, counts)
on conflict (id) do update set canceled = excluded.canceled, total = excluded.total, valid = excluded.valid,
	rejected = excluded.rejected, counts = excluded.counts, read_at = excluded.read_at
where mms_log_batch.read_at < excluded.read_at`

// WriteBatches logs batches. Of two readings of a batch the later stays.
func (l *Log) WriteBatches(ctx context.Context, read ledger.BatchesRead) error {
	var (
		ids, tenants, kinds, counts []string
		references                  []*string
		created                     []time.Time
		canceled                    []bool
		total, valid, rejected      []int64
	)
	for _, b := range read.Batches {
		ids, tenants, kinds = append(ids, string(b.ID)), append(tenants, b.Scope.Tenant), append(kinds, kindOf(b.Scope))
		references, created, canceled = append(references, some(b.Reference)), append(created, b.CreatedAt), append(canceled, b.Canceled)
		total, valid, rejected = append(total, b.Total), append(valid, b.Valid), append(rejected, b.Rejected)
		text, err := json.Marshal(b.Counts)
		if err != nil {
			return fmt.Errorf("counts of a batch: %w", err)
		}
		counts = append(counts, string(text))
	}
	_, err := l.pool.Exec(ctx, writeBatchRows, ids, tenants, kinds, references, created, canceled, total, valid, rejected, counts, read.At)
	if err != nil {
		return unavailable("write batches", err)
	}
	return nil
}

// batchColumns are what scanBatch reads.
const batchColumns = "id, tenant, kind, client_reference, created_at, canceled, total, valid, rejected, counts"

// scanBatch reads a row.
func scanBatch(row interface{ Scan(to ...any) error }) (ledger.Batch, error) {
	var (
		b         ledger.Batch
		id, kind  string
		reference *string
		counts    []byte
	)
	err := row.Scan(&id, &b.Scope.Tenant, &kind, &reference, &b.CreatedAt, &b.Canceled, &b.Total, &b.Valid, &b.Rejected, &counts)
	if err != nil {
		return b, err
	}
	b.ID, b.Scope.Test, b.CreatedAt = message.BatchID(id), kind == kindTest, b.CreatedAt.UTC()
	if reference != nil {
		b.Reference = *reference
	}
	if err := json.NewDecoder(strings.NewReader(string(counts))).Decode(&b.Counts); err != nil {
		return b, fmt.Errorf("counts of a batch: %w", err)
	}
	return b, nil
}
