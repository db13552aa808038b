package ledger

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// shards spreads tenants over the parts of the bulk lane: the first one gets
// the first part, and so on, so that a few tenants never share one. A tenant
// keeps its part as long as Redis keeps its data.
type shards struct {
	rdb   redis.UniversalClient
	key   string
	known sync.Map // part by scope
}

// of is the part of a lane that a scope's messages wait in.
func (s *shards) of(ctx context.Context, scope message.Scope, p message.Lane) (int, error) {
	if p != message.Bulk {
		return 0, nil
	}
	if shard, ok := s.known.Load(scope); ok {
		return shard.(int), nil //nolint:forcetypeassert // only ints are stored
	}
	shard, err := s.rdb.HGet(ctx, s.key, scope.String()).Int()
	if errors.Is(err, redis.Nil) {
		shard, err = s.assign(ctx, scope)
	}
	if err != nil {
		return 0, unavailable("find shard", err)
	}
	shard %= message.BulkShards
	s.known.Store(scope, shard)
	return shard, nil
}

func (s *shards) assign(ctx context.Context, scope message.Scope) (int, error) {
	taken, err := s.rdb.HLen(ctx, s.key).Result()
	if err != nil {
		return 0, err //nolint:wrapcheck // by the caller
	}
	if err := s.rdb.HSetNX(ctx, s.key, scope.String(), taken%message.BulkShards).Err(); err != nil {
		return 0, err
	}
	return s.rdb.HGet(ctx, s.key, scope.String()).Int() //nolint:wrapcheck // by the caller
}
