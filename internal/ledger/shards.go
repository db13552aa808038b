package ledger

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// shards assigns the scopes to the shards of the bulk lane in turn, so that up to
// message.BulkShards scopes never share one. A scope keeps its shard as long as
// Redis keeps its data.
type shards struct {
	rdb   redis.UniversalClient
	key   string
	cache sync.Map // shard by scope
}

// of is the shard of a lane in which a scope's messages wait.
func (s *shards) of(ctx context.Context, scope message.Scope, p message.Lane) (int, error) {
	if p != message.Bulk {
		return 0, nil
	}
	if shard, ok := s.cache.Load(scope); ok {
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
	s.cache.Store(scope, shard)
	return shard, nil
}

func (s *shards) assign(ctx context.Context, scope message.Scope) (int, error) {
	assigned, err := s.rdb.HLen(ctx, s.key).Result()
	if err != nil {
		return 0, err //nolint:wrapcheck // by the caller
	}
	if err := s.rdb.HSetNX(ctx, s.key, scope.String(), assigned%message.BulkShards).Err(); err != nil {
		return 0, err
	}
	return s.rdb.HGet(ctx, s.key, scope.String()).Int() //nolint:wrapcheck // by the caller
}
