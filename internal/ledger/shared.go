package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
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
		one, err := s.begin(change, lease)
		if err != nil {
			members[i].Err = err
			continue
		}
		swaps, places = append(swaps, one), append(places, i)
		index[bare(one.message.Content.To)] = one.message.ID.AttemptRef(one.message.Attempts)
	}
	if len(swaps) == 0 {
		return members, nil
	}
	replies, err := l.swapAll(ctx, call, index, swaps)
	if err != nil {
		return nil, err
	}
	for i, reply := range replies {
		members[places[i]].Begun, members[places[i]].Err = reply.begun(swaps[i].message, swaps[i].value)
	}
	return members, nil
}

// begin prepares the first step of a begin.
func (s Snapshot) begin(change Change, lease Lease) (swap, error) {
	h, m, err := decode(s.record)
	if err != nil {
		return swap{}, err
	}
	before := m.Status
	if err := change(m, s.clock()); err != nil {
		return swap{}, err
	}
	operation := newOperation()
	return swap{
		version: h.version, operation: operation, value: encode(head{version: h.version + 1, operation: operation}, m),
		message: m, before: before, lease: lease, cleared: s.cleared,
	}, nil
}

// swapAll runs the script for all messages of a call. The script knows its own
// writes again, so that all of it can be repeated.
func (l *Ledger) swapAll(ctx context.Context, call string, index map[string]any, swaps []swap) ([]swapReply, error) {
	node, err := l.primaryOf(ctx, l.key("begins"))
	if err != nil {
		return nil, unavailable("begin calls", err)
	}
	replies, err := l.swapOn(ctx, node, call, index, swaps)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := l.put.Load(ctx, node).Err(); err != nil {
			return nil, unavailable("load script", err)
		}
		replies, err = l.swapOn(ctx, node, call, index, swaps)
	}
	if err != nil {
		return nil, unavailable("begin calls", err)
	}
	return replies, nil
}

func (l *Ledger) swapOn(
	ctx context.Context, node redis.UniversalClient, call string, index map[string]any, swaps []swap,
) ([]swapReply, error) {
	pipe := node.Pipeline()
	if call != "" {
		l.indexCall(ctx, pipe, call, index)
	}
	written := make([]*redis.Cmd, len(swaps))
	for i, s := range swaps {
		keys, args := l.swapCall(s)
		written[i] = l.put.EvalSha(ctx, pipe, keys, args...)
	}
	var replicas *redis.Cmd
	want := l.opts.MinReplicas()
	if want > 0 {
		replicas = pipe.Do(ctx, "WAIT", want, replicateIn.Milliseconds())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("begin together: %w", err)
	}
	if replicas != nil {
		have, err := replicas.Int()
		if err != nil || have < want {
			return nil, errors.Join(errNotReplicated, err)
		}
	}
	replies := make([]swapReply, len(swaps))
	for i, cmd := range written {
		raw, err := cmd.Slice()
		if err != nil {
			return nil, fmt.Errorf("begin together: %w", err)
		}
		if replies[i], err = parseSwap(raw); err != nil {
			return nil, err
		}
	}
	return replies, nil
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

// ReadMany reads messages to change them, and leaves out those that are gone.
func (l *Ledger) ReadMany(ctx context.Context, ids []message.ID) ([]Snapshot, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = l.recordKey(id)
	}
	pipe := l.rdb.Pipeline()
	values, clock := pipe.MGet(ctx, keys...), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read messages", err)
	}
	now, read := clock.Val().UTC().Truncate(time.Millisecond), time.Now()
	seen := make([]Snapshot, 0, len(ids))
	for i, value := range values.Val() {
		record, ok := value.(string)
		if !ok {
			continue
		}
		_, m, err := decode([]byte(record))
		if err != nil || m.ID != ids[i] {
			continue
		}
		seen = append(seen, Snapshot{Message: m, id: m.ID, record: []byte(record), now: now, read: read})
	}
	return seen, nil
}
