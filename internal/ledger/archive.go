package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// packedOperation stands in the head of a packed message, which no script reads.
const packedOperation = "log"

// Pack returns a message in the form of a record, encrypted where there are keys:
// for a store that keeps it longer than Redis does.
func (l *Ledger) Pack(m *message.Message, version int64) []byte {
	return encode(head{version: version, operation: packedOperation}, m, l.codec.seal(m))
}

// Unpack is the reverse of Pack. With encryption.ErrKeyMissing the message is there
// without what is private in its content.
func (l *Ledger) Unpack(record []byte) (*message.Message, error) {
	r, err := l.codec.decode(record)
	return r.message, err
}

// Current reads messages by their ids. Those that have expired or cannot be read are
// left out.
func (l *Ledger) Current(ctx context.Context, ids []message.ID) (map[message.ID]*message.Message, error) {
	found, err := l.ReadMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	current := make(map[message.ID]*message.Message, len(found))
	for _, s := range found {
		current[s.Message.ID] = s.Message
	}
	return current, nil
}

// gapSlack is the most by which clocks of processes and Redis' clock differ.
const gapSlack = 5 * time.Second

// LogGap reports whether messages of a scope may be neither handled by ConsumerLog yet
// nor listed by Recent: the consumer is behind by more than what Recent lists.
func (l *Ledger) LogGap(ctx context.Context, scope message.Scope) (bool, error) {
	pipe := l.rdb.Pipeline()
	oldest := pipe.LRange(ctx, l.recentKey(scope), recentKept-1, recentKept-1)
	first := pipe.ZRangeWithScores(ctx, l.changedKey(ConsumerLog), 0, 0)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return false, unavailable("read backlog", err)
	}
	waiting := first.Val()
	if len(oldest.Val()) == 0 || len(waiting) == 0 {
		return false, nil // Recent lists all that there are, or all are handled
	}
	id, err := message.UnpackID(oldest.Val()[0])
	if err != nil {
		return false, errRecord
	}
	return instant(int64(waiting[0].Score)).Before(id.Created().Add(gapSlack)), nil
}
