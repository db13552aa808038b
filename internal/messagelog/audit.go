package messagelog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/operator"
)

// auditQueue is the list of the actions of operators that are not logged yet.
type auditQueue struct{ rdb redis.UniversalClient }

// auditChunk is the number of actions of one write.
const auditChunk = 100

// auditRow is an action as package operator records it.
type auditRow struct {
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	From   string          `json:"from"`
	Action string          `json:"action"`
	Target string          `json:"target"`
	Reason string          `json:"reason"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// drain logs the actions that wait, oldest first.
func (q *auditQueue) drain(ctx context.Context, l *Log) error {
	for {
		values, err := q.rdb.LRange(ctx, operator.UnloggedKey, 0, auditChunk-1).Result()
		if err != nil {
			return fmt.Errorf("read audit: %w: %w", operator.ErrUnavailable, err)
		}
		for _, value := range values {
			if err := l.WriteAudit(ctx, value); err != nil {
				return err
			}
			if err := q.rdb.LRem(ctx, operator.UnloggedKey, 1, value).Err(); err != nil {
				return fmt.Errorf("read audit: %w: %w", operator.ErrUnavailable, err)
			}
		}
		if len(values) < auditChunk {
			return nil
		}
	}
}

// WriteAudit logs an action, in the JSON of operator.Entry. It may be repeated.
func (l *Log) WriteAudit(ctx context.Context, value string) error {
	var row auditRow
	if err := json.Unmarshal([]byte(value), &row); err != nil {
		return fmt.Errorf("audit entry: %w", err)
	}
	id := sha256.Sum256([]byte(value))
	_, err := l.pool.Exec(ctx, `insert into mms_audit (id, at, actor, origin, action, target, reason, before, after)
		values ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9::text::jsonb) on conflict do nothing`,
		hex.EncodeToString(id[:]), row.At, plain(row.Actor), row.From, row.Action, plain(row.Target), plain(row.Reason),
		document(row.Before), document(row.After))
	if err != nil {
		return unavailable("write audit", err)
	}
	return nil
}

// document is nil for a JSON null.
func document(raw json.RawMessage) *string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return some(string(raw))
}
