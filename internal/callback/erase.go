package callback

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// EraseEvents removes the events of messages from the stream of a scope. since is
// the time of the oldest of their events; zero: it is not known.
func (s *Streams) EraseEvents(ctx context.Context, scope message.Scope, since time.Time, ids ...message.ID) error {
	erased := make(map[message.ID]bool, len(ids))
	for _, id := range ids {
		erased[id] = true
	}
	key, from := streamKey(scope.String()), "-"
	if !since.IsZero() {
		from = startOf(since)
	}
	for len(ids) > 0 {
		read, err := s.rdb.XRangeN(ctx, key, from, "+", readCount).Result()
		if err != nil {
			return unavailable("erase events", err)
		}
		var entries []string
		for _, m := range read {
			if erased[s.store.subjectOf(scope.String(), m)] {
				entries = append(entries, m.ID)
			}
		}
		if len(entries) > 0 {
			if err := s.rdb.XDel(ctx, key, entries...).Err(); err != nil {
				return unavailable("erase events", err)
			}
		}
		if len(read) < readCount {
			return nil
		}
		from = "(" + read[len(read)-1].ID
	}
	return nil
}

// EraseReceived removes the events of inbound messages from all streams: every tenant
// of the sender has them.
func (s *Streams) EraseReceived(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	subjects := make([]message.ID, len(ids))
	for i, id := range ids {
		subjects[i] = message.ID(id)
	}
	for _, scope := range s.scopes.All() {
		if err := s.EraseEvents(ctx, scope, time.Time{}, subjects...); err != nil {
			return err
		}
	}
	return nil
}

// subjectOf is the message that an entry is about; empty: none, or it cannot be
// decrypted.
func (s *Store) subjectOf(scope string, m redis.XMessage) message.ID {
	var event struct {
		Data struct {
			ID message.ID `json:"id"`
		} `json:"data"`
	}
	if json.Unmarshal(s.readEvent(scope, m).Data, &event) != nil {
		return ""
	}
	return event.Data.ID
}
