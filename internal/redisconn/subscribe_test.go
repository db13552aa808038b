package redisconn

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// A subscription whose connection is lost, and refused for a while, is made again;
// its attempts are fewer than those of go-redis, which pauses for 100 ms.
func TestSubscriptionIsMadeAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	operator, dials := server.Client(t), make(chan struct{}, 100)
	options := *operator.Options()
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials <- struct{}{}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	rdb := redis.NewClient(&options)
	defer rdb.Close()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 1)
	var following sync.WaitGroup
	following.Go(func() { Subscribe(ctx, rdb, func(m *redis.Message) { got <- m.Payload }, "news") })
	defer following.Wait()
	defer cancel()
	receive := func(text string) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for operator.Publish(t.Context(), "news", text).Val() == 0 {
			<-tick.C
		}
		if m := <-got; m != text {
			t.Errorf("message %q", m)
		}
	}
	receive("first")
	<-dials // of the first connection
	for _, args := range [][]any{{"config", "set", "requirepass", "rotated"}, {"client", "kill", "type", "pubsub"}} {
		if err := operator.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for range 6 {
		<-dials
	}
	if took := time.Since(began); took < 10*subscribePause {
		t.Errorf("six attempts within %s", took)
	}
	if err := operator.Do(t.Context(), "config", "set", "requirepass", "").Err(); err != nil {
		t.Fatal(err)
	}
	receive("second")
}
