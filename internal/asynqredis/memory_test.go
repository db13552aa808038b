package asynqredis

import (
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// On a Redis without MEMORY, or with a user without the right to it, only the memory of
// a queue is missing.
func TestForbiddenMemoryTakesOnlyItsFigureAway(t *testing.T) {
	t.Parallel()
	renamed := redistest.Start(t, redistest.WithArgs("--rename-command", "MEMORY", ""))
	restricted := redistest.Start(t)
	if err := restricted.Client(t).Do(t.Context(), "acl", "setuser", "app", "on", ">secret", "+@all", "-memory", "~*", "&*").Err(); err != nil {
		t.Fatal(err)
	}
	clients := map[string]*redis.Client{
		"renamed":    renamed.Client(t),
		"restricted": redis.NewClient(&redis.Options{Addr: restricted.Addr(), Username: "app", Password: "secret"}),
		"allowed":    redistest.Start(t).Client(t),
	}
	t.Cleanup(func() { _ = clients["restricted"].Close() })
	for name, rdb := range clients {
		if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane)); err != nil {
			t.Fatal(err)
		}
		info, err := asynq.NewInspectorFromRedisClient(WithoutMemory(rdb, -1)).GetQueueInfo(lane)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if known := info.MemoryUsage > 0; info.Pending != 1 || known != (name == "allowed") {
			t.Errorf("%s: %d pending, %d bytes", name, info.Pending, info.MemoryUsage)
		}
	}
}
