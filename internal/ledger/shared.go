package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// callKept is how long a shared call can be looked up beyond the time that its
// messages are kept: a record is kept anew from its last change.
const callKept = 7 * 24 * time.Hour

// Member is what became of the begin of one message of a shared call.
type Member struct {
	Begun
	Err error // as of Begin; also for one that somebody else has changed
}

// BeginShared is Begin for messages to different numbers that one call is made
// for, in one round trip. Each begins or not on its own; one that does not is
// left out of the call. Where the call has a name, it is also written down
// which attempt each number stands for. On ErrUnavailable any of them may have
// begun.
func (l *Ledger) BeginShared(ctx context.Context, call string, seen []Snapshot, change Change, lease Lease) ([]Member, error) {
	members := make([]Member, len(seen))
	swaps := make([]swap, 0, len(seen))
	places := make([]int, 0, len(seen))
	index := make(map[string]any, len(seen))
	for i, s := range seen {
		one, err := s.step(change, s.clock(), newOperation())
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

// IndexCall writes down once more which attempt a number of a shared call
// stands for, after Redis has lost it.
func (l *Ledger) IndexCall(ctx context.Context, call, number, ref string) error {
	pipe := l.rdb.Pipeline()
	l.indexCall(ctx, pipe, call, map[string]any{bare(number): ref})
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("index call", err)
	}
	return nil
}

// SharedAttempt finds the attempt that a number of a shared call stands for. It
// returns ErrNotFound for a call or a number that is not known.
func (l *Ledger) SharedAttempt(ctx context.Context, call, number string) (ref string, err error) {
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
