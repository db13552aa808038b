package jobs

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// roundTrips counts what goes to Redis, and holds the first pipeline back.
type roundTrips struct {
	first  sync.Once
	held   chan struct{} // closed when the first pipeline has come
	letGo  chan struct{}
	pipes  atomic.Int64
	single atomic.Int64 // scripts without a pipeline
}

func (*roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			r.single.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.pipes.Add(1)
		r.first.Do(func() {
			close(r.held)
			<-r.letGo
		})
		return next(ctx, cmds)
	}
}

// Scripts that are run while others are on their way share a round trip, and
// each caller has its own answer: also an error, and a script that Redis does
// not know yet.
func TestShareAnswersEach(t *testing.T) {
	t.Parallel()
	const callers = 100
	client := redistest.Start(t).Client(t)
	shareRoundTrips(client)
	trips := &roundTrips{held: make(chan struct{}), letGo: make(chan struct{})}
	client.AddHook(trips)
	echo := redis.NewScript(`if ARGV[1] == '13' then return redis.error_reply('BAD 13') end return ARGV[1]`)
	if err := echo.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	run := func(n int) {
		text, err := echo.Run(t.Context(), client, nil, n).Text()
		switch {
		case n == 13:
			if err == nil || err.Error() != "BAD 13" {
				t.Errorf("13: %q, %v", text, err)
			}
		case err != nil || text != strconv.Itoa(n):
			t.Errorf("%d: %q, %v", n, text, err)
		}
	}
	var all sync.WaitGroup
	all.Go(func() { run(1000) })
	<-trips.held
	started := make(chan struct{}, callers)
	for n := range callers {
		all.Go(func() {
			started <- struct{}{}
			run(n)
		})
	}
	for range callers {
		<-started
	}
	close(trips.letGo)
	all.Wait()
	if pipes := trips.pipes.Load(); pipes >= callers {
		t.Errorf("%d round trips for %d callers", pipes, callers)
	}
	if n := trips.single.Load(); n != 0 {
		t.Errorf("%d scripts went alone", n)
	}
	fresh := redis.NewScript(`return 'learned'`)
	if text, err := fresh.Run(t.Context(), client, nil).Text(); err != nil || text != "learned" {
		t.Errorf("%q, %v", text, err)
	}
}

// A connection that breaks is an error for all that were on it, and an end of
// a caller's context none.
func TestShareFailsAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client(t)
	shareRoundTrips(client)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.EvalSha(ctx, "0000000000000000000000000000000000000000", nil).Err(); !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.Errorf("after its context: %v", err)
	}
	server.Kill()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := client.EvalSha(t.Context(), "0000000000000000000000000000000000000000", nil).Err()
			if _, network := errors.AsType[net.Error](err); !network {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}
