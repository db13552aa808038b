package messagelog

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Inbound is a message from a phone.
type Inbound struct {
	ID         string
	From       string // E.164
	To         string // a number of the service
	Text       string
	Media      []string
	Keyword    string
	ReceivedAt time.Time
	// Record is the message as its own store packs it, encrypted where there are keys.
	Record []byte
}

// lockInbound and lockInboundToErase order a write and an erasure: the write that
// comes second sees what was erased.
const (
	lockInbound        = "select pg_advisory_xact_lock_shared(hashtext('mms_inbound erased'))"
	lockInboundToErase = "select pg_advisory_xact_lock(hashtext('mms_inbound erased'))"
)

const writeInbound = `insert into mms_inbound
	(id, received_at, recipient, sinch_number, message_text, media_url, keyword, record)
select $1::text, $2::timestamptz, $3::text, $4::text, $5::text, $6::text, $7::text, $8::bytea
where not exists (select from mms_inbound_erased where id = $1)
on conflict do nothing`

// WriteInbound logs a message from a phone, unless it was erased. It may be repeated.
// With encryption its text and media are only in Record.
func (l *Log) WriteInbound(ctx context.Context, in Inbound) error {
	var text, media *string
	if !l.opts.Keys.On() {
		text, media = some(in.Text), some(strings.Join(in.Media, " "))
	}
	var batch pgx.Batch // one round trip and one transaction
	batch.Queue(lockInbound)
	batch.Queue(writeInbound,
		in.ID, in.ReceivedAt, l.number(in.From), in.To, text, media, some(in.Keyword), in.Record)
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return unavailable("write inbound message", err)
	}
	return nil
}

// EraseInbound deletes the messages of a phone to the senders that sees accepts, and
// those with some ids, which are not written afterwards either.
func (l *Log) EraseInbound(ctx context.Context, number string, ids []string, sees func(sender string) bool) error {
	rows, err := l.pool.Query(ctx, "select id, sinch_number from mms_inbound where recipient = any($1)", l.numbers(number))
	if err != nil {
		return unavailable("erase inbound messages", err)
	}
	logged, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ ID, Sender string }])
	if err != nil {
		return unavailable("erase inbound messages", err)
	}
	erased := append(make([]string, 0, len(ids)+len(logged)), ids...)
	for _, one := range logged {
		if sees(one.Sender) {
			erased = append(erased, one.ID)
		}
	}
	if len(erased) == 0 {
		return nil
	}
	var batch pgx.Batch // one transaction
	batch.Queue(lockInboundToErase)
	batch.Queue(markInbound, erased, l.opts.Now())
	batch.Queue("delete from mms_inbound where id = any($1)", erased)
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return unavailable("erase inbound messages", err)
	}
	return nil
}

const markInbound = `insert into mms_inbound_erased (id, erased_at) select distinct u.id, $2::timestamptz from unnest($1::text[]) as u (id)
on conflict (id) do update set erased_at = excluded.erased_at`
