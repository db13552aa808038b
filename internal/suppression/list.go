package suppression

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// errReply is returned for a reply that the script cannot have given.
var errReply = errors.New("unexpected reply")

// Position is a place in the list of a scope, newest first; the zero value is
// the beginning.
type Position struct {
	CreatedAt int64 // Unix milliseconds
	Number    string
	Sender    string
}

// PositionOf is the place of an entry.
func PositionOf(e Entry) Position {
	return Position{CreatedAt: e.CreatedAt.UnixMilli(), Number: e.Number, Sender: e.Sender}
}

// place is an element of a list in Redis.
type place struct {
	at     int64
	name   string // of the number
	sender string
}

func (p place) member() string { return p.name + " " + shownSender(p.sender) }

// compare orders places as lists are.
func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(o.at, p.at), strings.Compare(o.member(), p.member()))
}

func readPlace(z redis.Z) place {
	member, _ := z.Member.(string)
	name, shown, _ := strings.Cut(member, " ")
	return place{at: int64(z.Score), name: name, sender: readSender(shown)}
}

// listRead is the number of places that are read at a time.
const listRead = 200

// List lists up to limit opt-outs of a scope behind a position: the tenant's
// own, and the STOPs that count for it.
func (s *Store) List(ctx context.Context, scope message.Scope, after Position, limit int) ([]Entry, error) {
	k, err := s.numbers.get(ctx)
	if err != nil {
		return nil, err
	}
	from := place{at: after.CreatedAt, name: after.Number, sender: after.Sender}
	if after.Number != "" {
		from.name = k.name(after.Number)
	}
	found := make([]Entry, 0, limit)
	for {
		places, err := s.places(ctx, scope, from)
		if err != nil || len(places) == 0 {
			return found, err
		}
		entries, err := s.entriesAt(ctx, k, scope, places)
		if err != nil {
			return nil, err
		}
		if found = append(found, entries...); len(found) >= limit {
			return found[:limit], nil
		}
		from = places[len(places)-1]
	}
}

// places are the next lines behind one, of both lists in one order.
func (s *Store) places(ctx context.Context, scope message.Scope, after place) ([]place, error) {
	keys := []string{listKey(scope.String())}
	if !scope.Test {
		keys = append(keys, stopsKey)
	}
	var all []place
	for _, key := range keys {
		some, err := s.behind(ctx, key, after)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, place.compare)
	all = slices.Compact(all)
	return all[:min(len(all), listRead)], nil
}

// behind reads lines of one list behind a place: listRead of them, or all.
func (s *Store) behind(ctx context.Context, key string, after place) ([]place, error) {
	highest := "+inf"
	if after != (place{}) {
		highest = strconv.FormatInt(after.at, 10)
	}
	var found []place
	for offset := int64(0); ; offset += listRead {
		lines, err := s.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: key, Start: highest, Stop: "-inf", ByScore: true, Rev: true, Offset: offset, Count: listRead,
		}).Result()
		if err != nil {
			return nil, unavailable("list opt-outs", err)
		}
		for _, line := range lines {
			if p := readPlace(line); after == (place{}) || p.compare(after) > 0 {
				found = append(found, p)
			}
		}
		if len(lines) < listRead || len(found) >= listRead {
			return found, nil
		}
	}
}

// entriesAt reads the opt-outs at places, without those that are not in effect or
// are listed at another place.
func (s *Store) entriesAt(ctx context.Context, k *numberKey, scope message.Scope, places []place) ([]Entry, error) {
	pipe := s.rdb.Pipeline()
	reads := make([]*redis.MapStringStringCmd, len(places))
	for i, p := range places {
		reads[i] = pipe.HGetAll(ctx, recordPrefix+p.name)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("list opt-outs", err)
	}
	found := make([]Entry, 0, len(places))
	for i, p := range places {
		fields := reads[i].Val()
		if len(fields) == 0 {
			continue
		}
		number, err := k.open(p.name, fields[numberField])
		if err != nil {
			return nil, err
		}
		for _, e := range (record{number: number, fields: fields, senders: s.senders}).entries(scope) {
			if e.Sender == p.sender && e.CreatedAt.UnixMilli() == p.at {
				found = append(found, e)
			}
		}
	}
	return found, nil
}
