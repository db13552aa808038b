package ledger

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// callKept is the time for which a multi-recipient send can be looked up beyond the
// RecordTTL of its messages, which starts again with each of their changes.
const callKept = 7 * 24 * time.Hour

// Member is the result of the begin of one message of a multi-recipient send.
type Member struct {
	Begun
	Err error // as of Begin; also for a message that was changed meanwhile
}

// BeginMany is Begin for the messages of a multi-recipient send, in one round trip.
// They are to different numbers, and each begins or fails on its own; the caller
// omits a failed one from the request. Where the send has a reference, call, the
// attempt of each number is recorded as well. On ErrUnavailable any of them may
// have begun.
func (l *Ledger) BeginMany(ctx context.Context, call string, seen []Snapshot, change Change, lease Lease) ([]Member, error) {
	members := make([]Member, len(seen))
	swaps := make([]swap, 0, len(seen))
	places := make([]int, 0, len(seen))
	index := make(map[string]any, len(seen))
	for i, s := range seen {
		one, err := l.step(s, change, s.Now(), newOperation())
		if err != nil {
			members[i].Err = err
			continue
		}
		one.lease = lease
		swaps, places = append(swaps, one), append(places, i)
		index[l.callField(one.message.Content.To)] = one.message.ID.AttemptRef(one.message.Attempts)
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

// IndexCall records again the attempt of a number of a multi-recipient send, after
// a rollback of Redis.
func (l *Ledger) IndexCall(ctx context.Context, call, number, ref string) error {
	pipe := l.rdb.Pipeline()
	l.indexCall(ctx, pipe, call, map[string]any{l.callField(number): ref})
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("index call", err)
	}
	return nil
}

// AttemptOf finds the attempt of a number of a multi-recipient send. It returns
// ErrNotFound for a send or a number that is not known.
func (l *Ledger) AttemptOf(ctx context.Context, call, number string) (ref string, err error) {
	refs, err := l.rdb.HMGet(ctx, l.callKey(call), l.codec.keys.Hashes(numberLabel, bare(number))...).Result()
	if err != nil {
		return "", unavailable("find attempt", err)
	}
	for _, found := range refs {
		if ref, ok := found.(string); ok {
			return ref, nil
		}
	}
	return "", ErrNotFound
}

// callField is how a request for several messages names a number.
func (l *Ledger) callField(number string) string { return l.codec.keys.Hash(numberLabel, bare(number)) }

// bare is a number in the form that Sinch reports it: digits only.
func bare(number string) string { return strings.TrimPrefix(strings.TrimPrefix(number, "+"), "00") }
