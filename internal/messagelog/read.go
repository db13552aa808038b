package messagelog

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Query selects messages of a scope. Empty members select everything.
type Query struct {
	After     ledger.Position // the list begins behind it
	Reference string
	SinchID   string
	SinchCode string // none: Sinch gave none
	Operator  string // the carrier's id; none: not known
	Statuses  []message.Status
	Reasons   []message.ReasonCode
	Lanes     []message.Lane
	To        string // E.164
	From      string
	BatchID   message.BatchID
	Since     time.Time // exclusive, like Until
	Until     time.Time
	Limit     int
}

// condition is the conditions of a query and their arguments.
type condition struct {
	terms []string
	args  []any
}

// add adds a condition; each ? stands for the next argument.
func (c *condition) add(term string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		term = strings.Replace(term, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.terms = append(c.terms, term)
}

// none selects rows without a value.
const none = "none"

// addOrNone adds a condition on a column that may be null.
func (c *condition) addOrNone(column, value string) {
	switch value {
	case "":
	case none:
		c.add(column + " is null")
	default:
		c.add(column+" = ?", value)
	}
}

func (c *condition) String() string { return strings.Join(c.terms, " and ") }

// where are the conditions of a query.
func (l *Log) where(scope message.Scope, q Query) *condition {
	c := &condition{}
	c.add("tenant = ?", scope.Tenant)
	c.add("kind = ?", kindOf(scope))
	if q.After != (ledger.Position{}) {
		c.add("(submitted_at, id) < (?, ?)", q.After.ID.Created(), string(q.After.ID))
	}
	if q.Reference != "" {
		c.add("client_reference = ?", q.Reference)
	}
	if q.SinchID != "" {
		c.add("sinch_tracking_id = ?", q.SinchID)
	}
	c.addOrNone("sinch_code", q.SinchCode)
	c.addOrNone("operator_id", q.Operator)
	if len(q.Statuses) > 0 {
		c.add("status = any(?)", texts(q.Statuses))
	}
	if len(q.Reasons) > 0 {
		c.add("reason_code = any(?)", texts(q.Reasons))
	}
	if len(q.Lanes) > 0 {
		c.add("priority = any(?)", texts(q.Lanes))
	}
	if q.To != "" {
		c.add("recipient = any(?)", l.numbers(q.To))
	}
	if q.From != "" {
		c.add("sinch_number = ?", q.From)
	}
	if q.BatchID != "" {
		c.add("batch_id = ?", string(q.BatchID))
	}
	if !q.Since.IsZero() {
		c.add("submitted_at > ?", q.Since)
	}
	if !q.Until.IsZero() {
		c.add("submitted_at < ?", q.Until)
	}
	return c
}

func texts[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return out
}

// Messages lists messages as they were logged last, newest first.
func (l *Log) Messages(ctx context.Context, scope message.Scope, q Query) ([]*message.Message, error) {
	c := l.where(scope, q)
	return l.read(ctx, "where "+c.String()+" order by submitted_at desc, id desc limit "+strconv.Itoa(q.Limit), c.args...)
}

// Message reads a message. The error is ledger.ErrNotFound when the scope has none
// with that id, and encryption.ErrKeyMissing when it cannot be decrypted.
func (l *Log) Message(ctx context.Context, scope message.Scope, id message.ID) (*message.Message, error) {
	found, err := l.Several(ctx, scope, []message.ID{id})
	if err != nil {
		return nil, err
	}
	m := found[id]
	switch {
	case m == nil:
		return nil, ledger.ErrNotFound
	case m.Content.To == "":
		return m, encryption.ErrKeyMissing
	default:
		return m, nil
	}
}

// Several reads messages of a scope by their ids. Those that are not logged are left
// out.
func (l *Log) Several(ctx context.Context, scope message.Scope, ids []message.ID) (map[message.ID]*message.Message, error) {
	submitted := make([]time.Time, len(ids))
	for i, id := range ids {
		submitted[i] = id.Created()
	}
	found, err := l.read(ctx, `where (submitted_at, id) in (select u.at, u.id from unnest($1::timestamptz[], $2::text[]) as u (at, id))
		and submitted_at = any($1) and tenant = $3 and kind = $4`, submitted, texts(ids), scope.Tenant, kindOf(scope))
	if err != nil {
		return nil, err
	}
	byID := make(map[message.ID]*message.Message, len(found))
	for _, m := range found {
		byID[m.ID] = m
	}
	return byID, nil
}

// read reads the messages that a query selects. One whose key is missing comes
// without what is private in its content.
func (l *Log) read(ctx context.Context, query string, args ...any) ([]*message.Message, error) {
	rows, err := l.pool.Query(ctx, "select record from mms_log "+query, args...)
	if err != nil {
		return nil, unavailable("read messages", err)
	}
	records, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, unavailable("read messages", err)
	}
	found := make([]*message.Message, 0, len(records))
	for _, record := range records {
		m, err := l.opts.Records.Unpack(record)
		if err != nil && !errors.Is(err, encryption.ErrKeyMissing) {
			return nil, err
		}
		l.expire(m)
		found = append(found, m)
	}
	return found, nil
}

// Batch reads a batch. The error is ledger.ErrNotFound when the scope has none with
// that id.
func (l *Log) Batch(ctx context.Context, scope message.Scope, id message.BatchID) (ledger.Batch, error) {
	return l.oneBatch(ctx, "id = $1 and tenant = $2 and kind = $3", string(id), scope.Tenant, kindOf(scope))
}

// FindBatch reads the latest batch with a reference, as Batch does.
func (l *Log) FindBatch(ctx context.Context, scope message.Scope, ref string) (ledger.Batch, error) {
	return l.oneBatch(ctx, "client_reference = $1 and tenant = $2 and kind = $3", ref, scope.Tenant, kindOf(scope))
}

func (l *Log) oneBatch(ctx context.Context, where string, args ...any) (ledger.Batch, error) {
	b, err := scanBatch(l.pool.QueryRow(ctx,
		"select "+batchColumns+" from mms_log_batch where "+where+" order by created_at desc limit 1", args...))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ledger.Batch{}, ledger.ErrNotFound
	case err != nil:
		return ledger.Batch{}, unavailable("read batch", err)
	default:
		return b, nil
	}
}

// Batches lists batches of a scope as they were logged last, newest first.
func (l *Log) Batches(ctx context.Context, scope message.Scope, after ledger.BatchPosition, limit int) ([]ledger.Batch, error) {
	c := &condition{}
	c.add("tenant = ?", scope.Tenant)
	c.add("kind = ?", kindOf(scope))
	if after.ID != "" {
		c.add("(created_at, id) < (?, ?)", time.UnixMilli(after.CreatedAt), string(after.ID))
	}
	rows, err := l.pool.Query(ctx, "select "+batchColumns+" from mms_log_batch where "+c.String()+
		" order by created_at desc, id desc limit "+strconv.Itoa(limit), c.args...)
	if err != nil {
		return nil, unavailable("list batches", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Batch, error) { return scanBatch(row) })
	if err != nil {
		return nil, unavailable("list batches", err)
	}
	return found, nil
}
