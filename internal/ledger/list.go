package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

const (
	// lowest is the score below all others.
	lowest = "-inf"

	// recentKept is the number of messages of a scope that can be listed.
	recentKept = 1000
	// listChunk is the largest number of records that a list reads at a time.
	listChunk = 50
	// listIDs is the number of ids that a list reads at a time.
	listIDs = 1000
)

// Position is a place in a list of messages, newest first; the zero value is the
// beginning.
type Position struct {
	CreatedAt int64 // Unix milliseconds
	ID        message.ID
}

// PositionOf is the place of a message.
func PositionOf(id message.ID) Position {
	return Position{CreatedAt: id.Created().UnixMilli(), ID: id}
}

// Before reports whether an id stands behind the position in the list.
func (p Position) Before(id message.ID) bool {
	return p == Position{} || byAge(id, p.ID) > 0
}

// byAge orders ids from the newest to the oldest.
func byAge(a, b message.ID) int {
	return cmp.Or(b.Created().Compare(a.Created()), cmp.Compare(b, a))
}

// Range is a part of a list.
type Range struct {
	After  Position // the list begins behind it
	Expect int      // size of the first chunk: the number of messages that are wanted at least
}

// Yield is called with each message of a list; the list ends when it returns false.
type Yield func(m *message.Message) bool

// Recent lists the latest messages of a scope, newest first, at most 1,000;
// complete is true when the scope never had more. Redis is read in chunks until
// yield returns false.
func (l *Ledger) Recent(ctx context.Context, scope message.Scope, r Range, yield Yield) (complete bool, err error) {
	packed, err := l.rdb.LRange(ctx, l.recentKey(scope), 0, recentKept-1).Result()
	if err != nil {
		return false, unavailable("list messages", err)
	}
	ids := slices.DeleteFunc(unpacked(packed), func(id message.ID) bool { return !r.After.Before(id) })
	slices.SortFunc(ids, byAge) // processes accept at the same time, and their clocks differ
	_, err = l.yieldEach(ctx, ids, BatchRange{Expect: r.Expect}, func(_ int, m *message.Message) bool { return m == nil || yield(m) })
	return len(packed) < recentKept, err
}

func (l *Ledger) recentKey(scope message.Scope) string { return l.key("recent:" + scope.String()) }

// unknownKey is the list of the messages of a scope whose outcome is unknown, by
// the time of their creation.
func (l *Ledger) unknownKey(scope message.Scope) string {
	return l.key(string(Unknown) + ":" + scope.String())
}

// Unknown lists all messages of a scope whose outcome is unknown, newest first.
func (l *Ledger) Unknown(ctx context.Context, scope message.Scope, r Range, yield Yield) error {
	newest := "+inf"
	if r.After != (Position{}) {
		newest = strconv.FormatInt(r.After.ID.Created().UnixMilli(), 10)
	}
	for offset := int64(0); ; offset += listIDs {
		packed, err := l.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: l.unknownKey(scope), ByScore: true, Rev: true, Start: newest, Stop: lowest, Offset: offset, Count: listIDs,
		}).Result()
		if err != nil {
			return unavailable("list unknown messages", err)
		}
		ids := slices.DeleteFunc(unpacked(packed), func(id message.ID) bool { return !r.After.Before(id) })
		more, err := l.yieldEach(ctx, ids, BatchRange{Expect: r.Expect}, func(_ int, m *message.Message) bool {
			return m == nil || m.Status != message.StatusUnknown || yield(m)
		})
		if err != nil || !more || len(packed) < listIDs {
			return err
		}
	}
}

// OldestUnknown is the time since the oldest message of unknown outcome of some scopes
// was accepted; zero: there is none.
func (l *Ledger) OldestUnknown(ctx context.Context, scopes []message.Scope) (time.Duration, error) {
	pipe := l.rdb.Pipeline()
	clock := pipe.Time(ctx)
	first := make([]*redis.ZSliceCmd, len(scopes))
	for i, scope := range scopes {
		first[i] = pipe.ZRangeWithScores(ctx, l.unknownKey(scope), 0, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, unavailable("read unknown messages", err)
	}
	oldest := time.Duration(0)
	for _, entries := range first {
		for _, entry := range entries.Val() {
			oldest = max(oldest, clock.Val().Sub(time.UnixMilli(int64(entry.Score))))
		}
	}
	return oldest, nil
}

// yieldEach reads messages in chunks and yields them with their indexes in ids,
// until yield returns false. A message that has expired is nil unless r.Fill has it.
// One whose key is missing is yielded without what is private in its content.
func (l *Ledger) yieldEach(
	ctx context.Context, ids []message.ID, r BatchRange, yield func(i int, m *message.Message) bool,
) (more bool, err error) {
	size := min(max(r.Expect, 1), listChunk)
	for first := 0; first < len(ids); size = listChunk {
		chunk := ids[first:min(first+size, len(ids))]
		read, err := l.readChunk(ctx, chunk)
		if err != nil {
			return false, err
		}
		filled := r.fill(ctx, chunk, read)
		for i, result := range read {
			if result.Err != nil && !errors.Is(result.Err, encryption.ErrKeyMissing) {
				result.Value.Message = filled[chunk[i]]
			}
			if !yield(first+i, result.Value.Message) {
				return false, nil
			}
		}
		first += len(read)
	}
	return true, nil
}

// BatchRange is a part of the list of a batch's messages.
type BatchRange struct {
	Before int64 // the place in the batch below which the list begins; negative: at the end
	Expect int   // as of Range
	// Fill returns those of the expired messages that another store has; nil: none.
	Fill func(ctx context.Context, ids []message.ID) map[message.ID]*message.Message
	// Gaps has the expired messages yielded, too, as nil: a caller with little time
	// can end a search that passes many of them.
	Gaps bool
}

// fill returns those of the expired messages of a chunk that another store has.
func (r BatchRange) fill(ctx context.Context, chunk []message.ID, read []SnapshotResult) map[message.ID]*message.Message {
	if r.Fill == nil {
		return nil
	}
	var expired []message.ID
	for i, result := range read {
		if errors.Is(result.Err, ErrNotFound) {
			expired = append(expired, chunk[i])
		}
	}
	if len(expired) == 0 {
		return nil
	}
	return r.Fill(ctx, expired)
}

// members are the ids of a batch at the places from first up to end.
func (l *Ledger) members(ctx context.Context, id message.BatchID, first, end int64) ([]message.ID, error) {
	const size = int64(message.PackedLength)
	packed, err := l.rdb.GetRange(ctx, l.membersKey(id), first*size, end*size-1).Result()
	if err != nil {
		return nil, unavailable("read batch", err)
	}
	ids := make([]message.ID, 0, end-first)
	for ; len(packed) >= message.PackedLength; packed = packed[message.PackedLength:] {
		one, err := message.UnpackID(packed[:message.PackedLength])
		if err != nil {
			return nil, errRecord
		}
		ids = append(ids, one)
	}
	return ids, nil
}

// BatchMessages calls yield with the messages of a batch and their places in it,
// the last accepted first, until it returns false. Messages that have expired are
// skipped, or nil.
func (l *Ledger) BatchMessages(
	ctx context.Context, scope message.Scope, id message.BatchID, r BatchRange, yield func(place int64, m *message.Message) bool,
) error {
	size, err := l.rdb.StrLen(ctx, l.membersKey(id)).Result()
	if err != nil {
		return unavailable("read batch", err)
	}
	before := size / int64(message.PackedLength)
	if r.Before >= 0 {
		before = min(before, r.Before)
	}
	for before > 0 {
		first := max(0, before-listIDs)
		ids, err := l.members(ctx, id, first, before)
		if err != nil {
			return err
		}
		slices.Reverse(ids)
		last := first + int64(len(ids)) - 1
		more, err := l.yieldEach(ctx, ids, r, func(i int, m *message.Message) bool {
			if skips := m == nil && !r.Gaps || m != nil && m.Scope != scope; skips {
				return true
			}
			return yield(last-int64(i), m)
		})
		if err != nil || !more {
			return err
		}
		before = first
	}
	return nil
}
