package messagelog

import (
	"context"
	"slices"
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

// WriteInbound logs a message from a phone. It may be repeated. With encryption its
// text and media are only in Record.
func (l *Log) WriteInbound(ctx context.Context, in Inbound) error {
	var text, media *string
	if !l.opts.Keys.On() {
		text, media = some(in.Text), some(strings.Join(in.Media, " "))
	}
	_, err := l.pool.Exec(ctx, `insert into mms_inbound
		(id, received_at, recipient, sinch_number, message_text, media_url, keyword, record)
		values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
		in.ID, in.ReceivedAt, l.number(in.From), in.To, text, media, some(in.Keyword), in.Record)
	if err != nil {
		return unavailable("write inbound message", err)
	}
	return nil
}

// EraseInbound deletes the messages of a phone to the senders that see accepts.
func (l *Log) EraseInbound(ctx context.Context, number string, sees func(sender string) bool) error {
	rows, err := l.pool.Query(ctx, `select distinct sinch_number from mms_inbound where recipient = any($1)`, l.numbers(number))
	if err != nil {
		return unavailable("erase inbound messages", err)
	}
	senders, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return unavailable("erase inbound messages", err)
	}
	senders = slices.DeleteFunc(senders, func(sender string) bool { return !sees(sender) })
	_, err = l.pool.Exec(ctx, `delete from mms_inbound where recipient = any($1) and sinch_number = any($2)`, l.numbers(number), senders)
	if err != nil {
		return unavailable("erase inbound messages", err)
	}
	return nil
}
