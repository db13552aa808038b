package inbound

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

// Get reads a message. The errors are ErrNotFound and encryption.ErrKeyMissing.
func (s *Store) Get(ctx context.Context, id string) (Message, error) {
	fields, err := s.Redis.HGetAll(ctx, recordKey(id)).Result()
	if err != nil {
		return Message{}, unavailable("read inbound message", err)
	}
	return s.parse(id, fields)
}

func (s *Store) parse(id string, fields map[string]string) (Message, error) {
	if len(fields) == 0 {
		return Message{}, ErrNotFound
	}
	m := Message{ID: id, To: fields["to"], ReceivedAt: instant(fields["at"]), CreatedAt: instant(fields["created"])}
	err := s.open(&m, fields["body"])
	return m, err
}

func instant(text string) time.Time {
	ms, _ := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms).UTC()
}

// Position is a place in a list, newest first; the zero value is the beginning.
type Position struct {
	CreatedAt int64 // Unix milliseconds
	ID        string
}

// PositionOf is the place of a message.
func PositionOf(m Message) Position { return Position{CreatedAt: m.CreatedAt.UnixMilli(), ID: m.ID} }

func (p Position) compare(o Position) int {
	return cmp.Or(cmp.Compare(o.CreatedAt, p.CreatedAt), strings.Compare(o.ID, p.ID))
}

// Filter chooses messages.
type Filter struct {
	From         string    // empty: any
	To           string    // a sender in its canonical form; empty: any
	CreatedAfter time.Time // zero: any
}

// readAtOnce is how many messages are read in one round trip.
const readAtOnce = 200

// List lists up to limit messages that a scope sees behind a position, newest first.
func (s *Store) List(ctx context.Context, scope message.Scope, f Filter, after Position, limit int) ([]Message, error) {
	lists, err := s.lists(ctx, scope, f)
	if err != nil {
		return nil, err
	}
	found := make([]Message, 0, limit)
	for {
		places, err := s.places(ctx, lists, f.CreatedAfter, after)
		if err != nil || len(places) == 0 {
			return found, err
		}
		read, err := s.read(ctx, places)
		if err != nil {
			return nil, err
		}
		for _, m := range read {
			if s.sees(scope, m.To) && (f.To == "" || m.To == f.To) && (f.From == "" || m.From == f.From || m.Locked) {
				found = append(found, m)
			}
		}
		if len(found) >= limit {
			return found[:limit], nil
		}
		after = places[len(places)-1]
	}
}

// lists are the keys of the lists that hold what is asked for: those of a phone, or
// of each sender that the scope may use.
func (s *Store) lists(ctx context.Context, scope message.Scope, f Filter) ([]string, error) {
	switch {
	case f.From != "":
		return s.phoneKeys(f.From), nil
	case f.To != "":
		return []string{senderKey(f.To)}, nil
	}
	senders, err := s.Redis.ZRange(ctx, sendersKey, 0, -1).Result()
	if err != nil {
		return nil, unavailable("list inbound messages", err)
	}
	var keys []string
	for _, sender := range senders {
		if s.sees(scope, sender) {
			keys = append(keys, senderKey(sender))
		}
	}
	return keys, nil
}

// places are the next readAtOnce places of some lists behind one.
func (s *Store) places(ctx context.Context, lists []string, createdAfter time.Time, after Position) ([]Position, error) {
	var all []Position
	for _, key := range lists {
		some, err := s.behind(ctx, key, createdAfter, after)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, Position.compare)
	all = slices.Compact(all)
	return all[:min(len(all), readAtOnce)], nil
}

// behind are the next readAtOnce places of one list behind one, or all that are left.
func (s *Store) behind(ctx context.Context, key string, createdAfter time.Time, after Position) ([]Position, error) {
	lowest, highest := "-inf", "+inf"
	if !createdAfter.IsZero() {
		lowest = "(" + strconv.FormatInt(createdAfter.UnixMilli(), 10)
	}
	if after != (Position{}) {
		highest = strconv.FormatInt(after.CreatedAt, 10)
	}
	var found []Position
	for offset := int64(0); ; offset += readAtOnce {
		lines, err := s.Redis.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: key, Start: highest, Stop: lowest, ByScore: true, Rev: true, Offset: offset, Count: readAtOnce,
		}).Result()
		if err != nil {
			return nil, unavailable("list inbound messages", err)
		}
		for _, line := range lines {
			id, _ := line.Member.(string)
			if p := (Position{CreatedAt: int64(line.Score), ID: id}); after == (Position{}) || p.compare(after) > 0 {
				found = append(found, p)
			}
		}
		if len(lines) < readAtOnce || len(found) >= readAtOnce {
			return found, nil
		}
	}
}

// read reads the messages at places that are still kept. Content whose key is
// missing is left out.
func (s *Store) read(ctx context.Context, places []Position) ([]Message, error) {
	pipe := s.Redis.Pipeline()
	reads := make([]*redis.MapStringStringCmd, len(places))
	for i, p := range places {
		reads[i] = pipe.HGetAll(ctx, recordKey(p.ID))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read inbound messages", err)
	}
	found := make([]Message, 0, len(places))
	for i, p := range places {
		m, err := s.parse(p.ID, reads[i].Val())
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil && !errors.Is(err, encryption.ErrKeyMissing):
			return nil, err
		default:
			found = append(found, m)
		}
	}
	return found, nil
}

// EraseNumber deletes the messages of a phone that a scope sees, and returns their
// ids.
func (s *Store) EraseNumber(ctx context.Context, scope message.Scope, number string) ([]string, error) {
	var erased []string
	for _, list := range s.phoneKeys(number) {
		places, err := s.behind(ctx, list, time.Time{}, Position{})
		for ; err == nil && len(places) > 0; places, err = s.behind(ctx, list, time.Time{}, places[len(places)-1]) {
			ids, failed := s.erase(ctx, scope, list, places)
			if failed != nil {
				return erased, failed
			}
			erased = append(erased, ids...)
		}
		if err != nil {
			return erased, err
		}
	}
	return erased, nil
}

// erase deletes those of the messages at places of a phone's list that a scope sees.
func (s *Store) erase(ctx context.Context, scope message.Scope, list string, places []Position) ([]string, error) {
	read, err := s.read(ctx, places)
	if err != nil {
		return nil, err
	}
	var ids []string
	pipe := s.Redis.TxPipeline()
	for _, m := range read {
		if !s.sees(scope, m.To) {
			continue
		}
		ids = append(ids, m.ID)
		pipe.Del(ctx, recordKey(m.ID))
		pipe.ZRem(ctx, list, m.ID)
		pipe.ZRem(ctx, senderKey(m.To), m.ID)
		pipe.ZRem(ctx, changedKey, m.ID)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("erase inbound messages", err)
	}
	return ids, nil
}
