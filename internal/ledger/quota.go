package ledger

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// quotaLua is what the scripts about quotas share.
//
//go:embed quota.lua
var quotaLua string

// ErrQuota says that a key has accepted as many messages as it may in this UTC day.
var ErrQuota = errors.New("the daily quota of the key is used up")

// Quota is how many messages a key may have accepted in a UTC day. Duplicates do not
// count.
type Quota struct {
	Name  string // keys of one name share the count
	Daily int64  // 0: no limit
	Hold  string // names messages that were reserved, which are used first; empty: none
}

// reservedFor is how long messages are reserved for a batch: one that a process
// leaves unfinished gives them back.
const reservedFor = 2 * time.Minute

func (l *Ledger) quotaKey(q Quota) string {
	if q.Daily == 0 {
		return l.key("quota")
	}
	return l.key("quota:" + q.Name)
}

// Reserve reserves n messages of a quota under its Hold, all or none: then the
// error is ErrQuota. 0 ends the reservation.
func (l *Ledger) Reserve(ctx context.Context, q Quota, n int64) error {
	reserved, err := l.reserve.Run(ctx, l.rdb, []string{l.quotaKey(q)},
		[]any{reserveHold: q.Hold, reserveMessages: n, reserveDaily: q.Daily, reserveFor: reservedFor.Milliseconds()}...).Bool()
	switch {
	case err != nil:
		return unavailable("reserve quota", err)
	case !reserved:
		return ErrQuota
	default:
		return nil
	}
}

// CountNew counts the rows that are not known yet, of a batch with or without a
// reference.
func (l *Ledger) CountNew(ctx context.Context, scope message.Scope, reference string, rows []Row) (fresh int64, err error) {
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		fresh, err = l.countNew(ctx, secret, scope, reference, rows)
		return err
	})
	return fresh, err
}

func (l *Ledger) countNew(ctx context.Context, secret *message.Secret, scope message.Scope, reference string, rows []Row) (int64, error) {
	b := Batch{Scope: scope, Reference: reference}
	if reference != "" {
		b.ID = message.NewBatchID(secret.Batch(scope, reference), time.Time{})
	}
	pipe := l.rdb.Pipeline()
	held := pipe.Get(ctx, l.key("secret"))
	fresh := int64(0)
	known := make(map[string]*redis.IntCmd)
	for _, row := range rows {
		if row.Content.ClientReference == "" && reference == "" {
			fresh++
			continue
		}
		key := l.recordKey(rowID(secret, b, row, time.Time{}))
		if known[key] == nil {
			known[key] = pipe.Exists(ctx, key)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, unavailable("look for known rows", err)
	}
	if err := compare(secret, held.Val()); err != nil {
		return 0, err
	}
	for _, exists := range known {
		fresh += 1 - exists.Val()
	}
	return fresh, nil
}
