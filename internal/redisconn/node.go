package redisconn

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// NodeOf is the server that holds a key: of a cluster its primary.
func NodeOf(ctx context.Context, client redis.UniversalClient, key string) (redis.UniversalClient, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return client, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("primary of a key: %w", err)
	}
	return node, nil
}
