package httpapi_test

import (
	"math"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

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

// TestRateLimitMatchesModel: over any time a key gets no more requests than its rate
// allows, and each one that comes after its RetryAfter, whatever the clock does.
func TestRateLimitMatchesModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		srv := miniredis.RunT(t)
		rdb := redis.NewClient(&redis.Options{Addr: srv.Addr()})
		defer rdb.Close()
		limit := httpapi.NewRateLimit(rdb)
		rate := rapid.SampledFrom([]float64{0.01, 0.5, 1, 7, 250}).Draw(rt, "rate")
		burst := max(1, math.Ceil(rate))
		begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		now, allowed := begin, 0.0
		var ready time.Time // when a refused request may come again
		rt.Repeat(map[string]func(*rapid.T){
			"request": func(rt *rapid.T) {
				srv.SetTime(now)
				got, err := limit.Allow(rt.Context(), "key", rate)
				if err != nil {
					rt.Fatal(err)
				}
				if got.Allowed {
					allowed++
				}
				if most := burst + rate*now.Sub(begin).Seconds(); allowed > most+1e-3 {
					rt.Fatalf("%v requests within %s, want %v at most", allowed, now.Sub(begin), most)
				}
				if !ready.IsZero() && !now.Before(ready) && !got.Allowed {
					rt.Fatalf("refused at %s, allowed from %s", now, ready)
				}
				ready = time.Time{}
				if !got.Allowed {
					ready = now.Add(got.RetryAfter)
				}
			},
			"time passes": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 200_000).Draw(rt, "ms")) * time.Millisecond)
			},
			"the clock goes backwards and comes back": func(rt *rapid.T) {
				srv.SetTime(now.Add(-time.Duration(rapid.IntRange(1, 3600).Draw(rt, "s")) * time.Second))
				got, err := limit.Allow(rt.Context(), "another key", rate)
				if err != nil || !got.Allowed && got.RetryAfter > time.Duration(float64(time.Second)/rate)+time.Microsecond {
					rt.Fatalf("%+v, %v", got, err)
				}
			},
		})
	})
}
