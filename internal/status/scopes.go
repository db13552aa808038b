package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// configuredKey is a set: the scopes of the keys in API_KEYS of any process.
const configuredKey = redisconn.KeyPrefix + "scopes"

// Scopes are the scopes that have, or had, an API key.
type Scopes struct {
	Redis redis.UniversalClient
	Keys  *apikey.Store
	// Configured are those of API_KEYS of this process.
	Configured []message.Scope
}

// publish makes the scopes of API_KEYS known to the other processes, also after
// their keys are removed: their messages stay.
func (s Scopes) publish(ctx context.Context) error {
	if len(s.Configured) == 0 {
		return nil
	}
	names := make([]any, len(s.Configured))
	for i, scope := range s.Configured {
		names[i] = scope.String()
	}
	if err := s.Redis.SAdd(ctx, configuredKey, names...).Err(); err != nil {
		return fmt.Errorf("publish tenants: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// All lists the scopes by tenant, live before test.
func (s Scopes) All(ctx context.Context) ([]message.Scope, error) {
	names, err := s.Redis.SMembers(ctx, configuredKey).Result()
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w: %w", ErrUnavailable, err)
	}
	stored, err := s.Keys.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	all := slices.Clone(s.Configured)
	for _, name := range names {
		tenant, kind, _ := strings.Cut(name, ":")
		all = append(all, message.Scope{Tenant: tenant, Test: kind == "test"})
	}
	for _, key := range stored {
		all = append(all, message.Scope{Tenant: key.Tenant, Test: key.Test})
	}
	slices.SortFunc(all, func(a, b message.Scope) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.String(), b.String()))
	})
	return slices.Compact(all), nil
}
