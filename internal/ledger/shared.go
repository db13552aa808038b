package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// callKept is how long a request for several messages can be looked up beyond
// the time that its messages are kept: a record is kept again from its last change.
const callKept = 7 * 24 * time.Hour

// Member is the result of the begin of one message of a request for several.
type Member struct {
	Begun
	Err error // as of Begin; also for a message that was changed meanwhile
}

// BeginMany is Begin for messages to different numbers that one request is made
// for, in one round trip. Each begins or not on its own; one that does not is
// left out of the request. Where the request has a name, the attempt that each
// number stands for is recorded as well. On ErrUnavailable any of them may have
// begun.
func (l *Ledger) BeginMany(ctx context.Context, call string, seen []Snapshot, change Change, lease Lease) ([]Member, error) {
	members := make([]Member, len(seen))
	swaps := make([]swap, 0, len(seen))
	places := make([]int, 0, len(seen))
	index := make(map[string]any, len(seen))
	for i, s := range seen {
		one, err := s.step(change, s.Now(), newOperation())
		if err != nil {
			members[i].Err = err
			continue
		}
		one.lease = lease
		swaps, places = append(swaps, one), append(places, i)
		index[bare(one.message.Content.To)] = one.message.ID.AttemptRef(one.message.Attempts)
	}
	if len(swaps) == 0 {
		return members, nil
	}
	answers := l.swapWith(ctx, func(pipe redis.Pipeliner) {
		if call != "" {
			l.indexCall(ctx, pipe, call, index)
		}
	}, swaps)
	for i, answer := range answers {
		if answer.Err != nil {
			return nil, answer.Err
		}
		members[places[i]].Begun, members[places[i]].Err = answer.Value.begun(swaps[i])
	}
	return members, nil
}

func (l *Ledger) callKey(call string) string { return l.key("call:" + call) }

func (l *Ledger) indexCall(ctx context.Context, pipe redis.Pipeliner, call string, index map[string]any) {
	pipe.HSet(ctx, l.callKey(call), index)
	pipe.PExpire(ctx, l.callKey(call), l.opts.RecordTTL+callKept)
}

// IndexCall records again which attempt a number of a request for several
// messages stands for, after Redis has lost it.
func (l *Ledger) IndexCall(ctx context.Context, call, number, ref string) error {
	pipe := l.rdb.Pipeline()
	l.indexCall(ctx, pipe, call, map[string]any{bare(number): ref})
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("index call", err)
	}
	return nil
}

// AttemptOf finds the attempt that a number of a request for several messages
// stands for. It returns ErrNotFound for a request or a number that is not known.
func (l *Ledger) AttemptOf(ctx context.Context, call, number string) (ref string, err error) {
	ref, err = l.rdb.HGet(ctx, l.callKey(call), bare(number)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", ErrNotFound
	case err != nil:
		return "", unavailable("find attempt", err)
	}
	return ref, nil
}

// bare is a number in the form that Sinch reports it: digits only.
func bare(number string) string { return strings.TrimPrefix(strings.TrimPrefix(number, "+"), "00") }
