package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Messages that may share a call are listed by their group. The lists are only
// a hint: each message has its task all the same, so whatever is lost of a list
// makes calls smaller and nothing else.

// groupKept is how long a list is kept beyond the time its messages wait for:
// longer than a large batch takes at a slow pace.
const groupKept = 24 * time.Hour

func groupKey(group string) string { return ledger.DefaultPrefix + "group:" + group }

// gather lists messages that may share a call. Those without a group cost
// nothing.
func (q *Queue) gather(ctx context.Context, messages ...*message.Message) {
	groups := make(map[string][]any)
	var until time.Time
	for _, m := range messages {
		if m.Group != "" {
			groups[m.Group] = append(groups[m.Group], m.ID.Packed())
			until = latest(until, m.NextAt)
		}
	}
	if len(groups) == 0 {
		return
	}
	pipe := q.rdb.Pipeline()
	for group, ids := range groups {
		pipe.RPush(ctx, groupKey(group), ids...)
		pipe.PExpire(ctx, groupKey(group), groupKept+max(0, time.Until(until)))
	}
	_, _ = pipe.Exec(ctx) // a hint
}

// gathered is how many messages of a group wait to share a call.
func (q *Queue) gathered(ctx context.Context, group string) (int, error) {
	n, err := q.rdb.LLen(ctx, groupKey(group)).Result()
	if err != nil {
		return 0, fmt.Errorf("count group: %w", err)
	}
	return int(n), nil
}

// take takes up to n messages off the list of a group.
func (q *Queue) take(ctx context.Context, group string, n int) ([]message.ID, error) {
	packed, err := q.rdb.LPopCount(ctx, groupKey(group), n).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("take group: %w", err)
	}
	ids := make([]message.ID, 0, len(packed))
	for _, one := range packed {
		if id, err := message.UnpackID(one); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
