package inbound

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
)

// Record is a message as it is kept.
type Record struct {
	Message

	Body []byte // encrypted where there are keys
}

// Unlogged are up to n of the messages for which Logged has not been called, the
// oldest first.
func (s *Store) Unlogged(ctx context.Context, n int) ([]Record, error) {
	ids, err := s.Redis.ZRange(ctx, changedKey, 0, int64(n)-1).Result()
	if err != nil {
		return nil, unavailable("list inbound messages", err)
	}
	var found []Record
	for _, id := range ids {
		fields, err := s.Redis.HGetAll(ctx, recordKey(id)).Result()
		if err != nil {
			return nil, unavailable("read inbound message", err)
		}
		m, err := s.parse(id, fields)
		switch {
		case errors.Is(err, ErrNotFound):
			err = s.Redis.ZRem(ctx, changedKey, id).Err()
		case errors.Is(err, encryption.ErrKeyMissing): // it waits until the key is back
			err = nil
		case err == nil:
			found = append(found, Record{Message: m, Body: []byte(fields["body"])})
		}
		if err != nil {
			return nil, unavailable("read inbound message", err)
		}
	}
	return found, nil
}

// Logged lets a message expire: the log has it.
func (s *Store) Logged(ctx context.Context, m Message) error {
	left := max(time.Until(m.CreatedAt.Add(s.TTL)), time.Millisecond)
	_, err := s.Redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.PExpire(ctx, recordKey(m.ID), left)
		pipe.ZRem(ctx, changedKey, m.ID)
		return nil
	})
	if err != nil {
		return unavailable("end wait for the log", err)
	}
	return nil
}
