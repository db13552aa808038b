package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// Consumer names a consumer of changed messages. The scripts that write a record
// add its id to the list of each consumer that is enabled for it, once however
// often it changes.
type Consumer string

// The consumers, each named by its letter in the arguments of the scripts.
const (
	ConsumerLog       Consumer = "l"
	ConsumerCallbacks Consumer = "c"
)

// Consumers are several consumers: their letters.
type Consumers string

// With adds a consumer.
func (c Consumers) With(one Consumer) Consumers { return c + Consumers(one) }

// Changed is a message on the list of a consumer.
type Changed struct {
	Snapshot

	ID  message.ID
	Err error // ErrNotFound, or the error of an unreadable record; there is no Snapshot then
}

// Version is the number of times the record was written.
func (s Snapshot) Version() int64 { return s.version }

// Changed reads up to n of the messages that a consumer has not handled as they are
// now, the one that has waited longest first.
func (l *Ledger) Changed(ctx context.Context, c Consumer, n int) ([]Changed, error) {
	return l.ChangedAt(ctx, c, 0, n)
}

// ChangedAt is Changed for the messages behind the first skip of the list.
func (l *Ledger) ChangedAt(ctx context.Context, c Consumer, skip, n int) ([]Changed, error) {
	packed, err := l.rdb.ZRange(ctx, l.changedKey(c), int64(skip), int64(skip+n)-1).Result()
	if err != nil {
		return nil, unavailable("list changed messages", err)
	}
	return l.readChanged(ctx, unpacked(packed))
}

// ChangedSettled is Changed for the messages whose first change is some time ago: those
// that changed again within it are read once.
func (l *Ledger) ChangedSettled(ctx context.Context, c Consumer, ago time.Duration, n int) ([]Changed, error) {
	packed, err := l.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: l.changedKey(c), ByScore: true, Start: lowest, Stop: l.opts.Now().Add(-ago).UnixMilli(), Count: int64(n),
	}).Result()
	if err != nil {
		return nil, unavailable("list changed messages", err)
	}
	return l.readChanged(ctx, unpacked(packed))
}

// readChanged reads messages of a list.
func (l *Ledger) readChanged(ctx context.Context, ids []message.ID) ([]Changed, error) {
	results, err := l.ReadEach(ctx, ids)
	if err != nil {
		return nil, err
	}
	changed := make([]Changed, len(ids))
	for i, r := range results {
		changed[i] = Changed{Snapshot: r.Value, ID: ids[i], Err: r.Err}
	}
	return changed, nil
}

// Handled removes messages from the list of a consumer. One that was changed since
// it was read stays on it. A message whose record was not found is removed, one
// whose record was unreadable stays.
func (l *Ledger) Handled(ctx context.Context, c Consumer, done []Changed) error {
	for chunk := range slices.Chunk(done, readMax) {
		keys := []string{handledList: l.changedKey(c), handledOtherList: l.changedKey(c.other())}
		args := make([]any, 0, len(chunk)*len(positionsOf("handled").rowArgs))
		for _, one := range chunk {
			if one.Err != nil && !errors.Is(one.Err, ErrNotFound) {
				continue
			}
			head, expires := []byte(nil), int64(0)
			if one.Err == nil {
				head = one.head()
				if ttl := l.ttl(one.Message); ttl > 0 {
					expires = one.Message.UpdatedAt.Add(ttl).UnixMilli()
				}
			}
			keys = append(keys, []string{handledRecord: l.recordKey(one.ID)}...)
			args = append(args, []any{handledID: one.ID.Packed(), handledHead: head, handledExpires: expires}...)
		}
		if len(args) == 0 {
			continue
		}
		if err := l.handled.Run(ctx, l.rdb, keys, args...).Err(); err != nil {
			return unavailable("remove changed messages", err)
		}
	}
	return nil
}

// Backlog returns the number of messages that a consumer has not handled, and the
// time for which the first of them has waited.
func (l *Ledger) Backlog(ctx context.Context, c Consumer) (n int64, oldest time.Duration, err error) {
	pipe := l.rdb.Pipeline()
	count, first, now := pipe.ZCard(ctx, l.changedKey(c)), pipe.ZRangeWithScores(ctx, l.changedKey(c), 0, 0), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, 0, unavailable("read backlog", err)
	}
	if entries := first.Val(); len(entries) > 0 {
		oldest = max(0, now.Val().Sub(instant(int64(entries[0].Score))))
	}
	return count.Val(), oldest, nil
}

func (l *Ledger) changedKey(c Consumer) string { return l.key("changed:" + c.String()) }

// String names the consumer.
func (c Consumer) String() string {
	if c == ConsumerLog {
		return "log"
	}
	return "callbacks"
}

// other is the other consumer.
func (c Consumer) other() Consumer {
	if c == ConsumerLog {
		return ConsumerCallbacks
	}
	return ConsumerLog
}
