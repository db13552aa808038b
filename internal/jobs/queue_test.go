package jobs

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// The tasks of many messages need one connection: none waits for one so long
// that its task is not made.
func TestDispatchManyNeedsOneConnection(t *testing.T) {
	t.Parallel()
	opts, err := redis.ParseURL(redistest.Shared(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.PoolSize, opts.PoolTimeout, opts.MaxRetries = 1, time.Millisecond, -1
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })

	messages := make([]*message.Message, 500)
	for i := range messages {
		id := message.NewID([16]byte{byte(i), byte(i >> 8)}, time.Now())
		messages[i] = &message.Message{ID: id, Content: message.Content{Priority: message.Normal}}
	}
	queue := NewQueue(rdb, time.Second)
	if err := queue.DispatchMany(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if state, err := queue.state(m); err != nil || state != taskComes {
			t.Fatalf("the task of %s is in state %d: %v", m.ID, state, err)
		}
	}
}
