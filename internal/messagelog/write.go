package messagelog

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// column is a column of mms_log with the type of its array in writeRows.
type column struct{ name, array, cast string }

// columns are those that a write sets, in the order of the arguments.
func columns() []column {
	const text, at = "text[]", "timestamptz[]"
	return []column{
		{name: "id", array: text},
		{name: "submitted_at", array: at},
		{name: "tenant", array: text},
		{name: "kind", array: text},
		{name: "version", array: "bigint[]"},
		{name: "recipient", array: text},
		{name: "sinch_number", array: text},
		{name: "media_url", array: text},
		{name: "message_text", array: text},
		{name: "subject", array: text},
		{name: "metadata", array: text, cast: "jsonb"},
		{name: "client_reference", array: text},
		{name: "batch_id", array: text},
		{name: "priority", array: text},
		{name: "status", array: text},
		{name: "reason_code", array: text},
		{name: "sinch_code", array: text},
		{name: "error_message", array: text},
		{name: "attempts", array: "integer[]"},
		{name: "sinch_api", array: text},
		{name: "sinch_tracking_id", array: text},
		{name: "sent_as", array: text},
		{name: "operator_id", array: text},
		{name: "queued_at", array: at},
		{name: "sent_at", array: at},
		{name: "final_at", array: at},
		{name: "last_updated_at", array: at},
		{name: "redacted_at", array: at},
		{name: "record", array: "bytea[]"},
	}
}

// keyColumns never change in a row.
const keyColumns = 4

// writeRows inserts rows, or replaces those of an older version. A version that is
// not newer replaces a row all the same when it was changed later: Redis has been
// rolled back, and counts again from before. An erased row is never replaced by one
// that is not.
var writeRows = func() string { //nolint:gochecknoglobals // a constant text, built from the table of columns
	n := len(columns())
	names, values, arrays, updates := make([]string, 0, n), make([]string, 0, n), make([]string, 0, n), make([]string, 0, n)
	for i, c := range columns() {
		names, arrays = append(names, c.name), append(arrays, "$"+strconv.Itoa(i+1)+"::"+c.array)
		value := "r." + c.name
		if c.cast != "" {
			value += "::" + c.cast
		}
		values = append(values, value)
		if i >= keyColumns {
			updates = append(updates, c.name+" = excluded."+c.name)
		}
	}
	return "insert into mms_log (" + strings.Join(names, ", ") + ") select " + strings.Join(values, ", ") +
		" from unnest(" + strings.Join(arrays, ", ") + ") r (" + strings.Join(names, ", ") + ")" +
		" on conflict (submitted_at, id) do update set " + strings.Join(updates, ", ") +
		" where (mms_log.version < excluded.version or mms_log.last_updated_at < excluded.last_updated_at)" +
		" and (strpos(mms_log.recipient, '" + hiddenMark + "') = 0 or strpos(excluded.recipient, '" + hiddenMark + "') > 0)"
}()

const writeEvents = `insert into mms_log_event (message_id, submitted_at, n, at, status, detail, attempt)
select u.message_id, u.submitted_at, u.n, u.at, u.status, u.detail, u.attempt
from unnest($1::text[], $2::timestamptz[], $3::integer[], $4::timestamptz[], $5::text[], $6::text[], $7::integer[])
	as u (message_id, submitted_at, n, at, status, detail, attempt)
on conflict do nothing`

// args are the arguments of writeRows.
func (r *rows) args() []any {
	return []any{
		r.id, r.submitted, r.tenant, r.kind, r.version, r.recipient, r.sender, r.media, r.text, r.subject, r.metadata, r.reference,
		r.batch, r.priority, r.status, r.reasonCode, r.sinchCode, r.reasonMessage, r.attempts, r.api, r.sinchID, r.sentAs, r.operator,
		r.queued, r.sent, r.final, r.updated, r.redacted, r.record,
	}
}

// Write logs messages, all or none. It may be repeated, and several processes may
// write the same messages: of two versions the newer stays. Messages that are older
// than the retention are left out.
func (l *Log) Write(ctx context.Context, entries []Entry) error {
	return l.writeAll(ctx, l.kept(entries))
}

// writeAll is Write for entries in the order of their ids.
func (l *Log) writeAll(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	err := l.write(ctx, entries)
	if hasCode(err, codeNoPartition, codeUndefinedTable) { // dropped since, or another database
		l.forgetPartitions()
		err = l.write(ctx, entries)
	}
	if err != nil {
		return unavailable("write messages", err)
	}
	return nil
}

// kept are the entries to write, in the order of their ids: writers lock rows in one
// order.
func (l *Log) kept(entries []Entry) []Entry {
	oldest := l.oldest()
	return sorted(slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Message.ID.Created().Before(oldest) }))
}

// sorted sorts entries by their ids.
func sorted(entries []Entry) []Entry {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(string(a.Message.ID), string(b.Message.ID)) })
	return entries
}

func (l *Log) write(ctx context.Context, entries []Entry) error {
	var r rows
	var e events
	for _, one := range entries {
		if err := l.ensurePartition(ctx, monthOf(one.Message.ID.Created())); err != nil {
			return err
		}
		r.add(l, one)
		e.add(one.Message)
	}
	var batch pgx.Batch // one round trip and one transaction
	batch.Queue(writeRows, r.args()...)
	batch.Queue(writeEvents, e.id, e.submitted, e.n, e.at, e.status, e.detail, e.attempt)
	return l.pool.SendBatch(ctx, &batch).Close() //nolint:wrapcheck // the caller decides by its code
}
