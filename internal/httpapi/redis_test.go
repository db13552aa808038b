package httpapi_test

import (
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/redistest"
)

func TestRateLimitInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := httpapi.NewRateLimit(server.Client(t))
	for left := 2; left >= 0; left-- {
		answer, err := one.Allow(t.Context(), "key", 3)
		if err != nil || !answer.Allowed || answer.Limit != 3 || answer.Remaining < left {
			t.Errorf("%+v, %v; want it allowed with %d left", answer, err, left)
		}
	}
	other, err := one.Allow(t.Context(), "other key", 3)
	if err != nil || !other.Allowed || other.Remaining != 2 {
		t.Errorf("other key: %+v, %v", other, err)
	}
	slow, replica := httpapi.NewRateLimit(server.Client(t)), httpapi.NewRateLimit(server.Client(t))
	if first, err := slow.Allow(t.Context(), "slow", 0.01); err != nil || !first.Allowed || first.Limit != 1 {
		t.Errorf("first: %+v, %v", first, err)
	}
	second, err := replica.Allow(t.Context(), "slow", 0.01)
	if err != nil || second.Allowed || second.RetryAfter < 90*time.Second {
		t.Errorf("second: %+v, %v", second, err)
	}
	server.Stop()
	if _, err := one.Allow(t.Context(), "key", 3); err == nil {
		t.Error("no error without Redis")
	}
}

func TestNoncesInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client(t)
	nonces := httpapi.NewRedisNonces(client, time.Hour, false)
	if seen, err := nonces.Seen(t.Context(), "n"); err != nil || seen {
		t.Errorf("at first: %v, %v", seen, err)
	}
	if err := nonces.Put(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	if seen, err := nonces.Seen(t.Context(), "n"); err != nil || !seen {
		t.Errorf("afterwards: %v, %v", seen, err)
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	if ttl := client.TTL(t.Context(), keys[0]).Val(); ttl <= time.Hour || ttl > time.Hour+5*time.Minute {
		t.Errorf("expires after %s", ttl)
	}
	server.Stop()
	if _, err := nonces.Seen(t.Context(), "n"); err == nil {
		t.Error("no error without Redis")
	}
	if err := nonces.Put(t.Context(), "n"); err == nil {
		t.Error("no error without Redis")
	}
}
