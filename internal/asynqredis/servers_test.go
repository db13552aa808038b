package asynqredis

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

var rhythm = Rhythm{Pending: 100 * time.Millisecond, Delayed: 200 * time.Millisecond}

func tapped(t *testing.T) (*Servers, *redistest.Server, *redistest.Tap) {
	t.Helper()
	server := redistest.Start(t)
	rdb, tap := server.Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	return NewServers(t.Context(), rdb, time.Now, rhythm), server, tap
}

// Scripts that are run while others are on their way share a round trip, and
// each caller has its own answer: also an error, and a script that Redis does
// not know yet.
func TestServersSharesRoundTrips(t *testing.T) {
	t.Parallel()
	const callers = 100
	client, _, tap := tapped(t)
	held, letGo := make(chan struct{}), make(chan struct{})
	tap.Hold = sync.OnceFunc(func() {
		close(held)
		<-letGo
	})
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
	var all, started sync.WaitGroup
	all.Go(func() { run(1000) })
	<-held
	started.Add(callers)
	for n := range callers {
		all.Go(func() {
			started.Done()
			run(n)
		})
	}
	started.Wait()
	close(letGo)
	all.Wait()
	if len(tap.Pipelines) >= callers || slices.Contains(tap.Alone, "evalsha") {
		t.Errorf("%d round trips for %d callers, and alone: %v", len(tap.Pipelines), callers, tap.Alone)
	}
	fresh := redis.NewScript(`return 'learned'`)
	if text, err := fresh.Run(t.Context(), client, nil).Text(); err != nil || text != "learned" {
		t.Errorf("%q, %v", text, err)
	}
}

// Once the worker's life is over, nobody waits for a Redis that does not answer.
func TestServersEndsWithTheWorker(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, held, letGo := server.Client(t), make(chan struct{}), make(chan struct{})
	rdb.AddHook(&redistest.Tap{Hold: sync.OnceFunc(func() {
		close(held)
		<-letGo
	})})
	life, end := context.WithCancel(t.Context())
	client := NewServers(life, rdb, time.Now, rhythm)
	failed := make(chan error, 2)
	run := func() {
		failed <- client.EvalSha(context.Background(), "0000000000000000000000000000000000000000", nil).Err()
	}
	go run()
	<-held
	end()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("while it was on its way: %v", err)
	}
	run()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("afterwards: %v", err)
	}
	close(letGo)
	client.scripts.together.Wait()
}

// A connection that breaks is an error for all that were on it.
func TestServersFailsAll(t *testing.T) {
	t.Parallel()
	client, server, _ := tapped(t)
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

// Servers of the asynq in use ask for tasks and for what is due as the client
// knows it: of many that find nothing only one asks at a time, and what comes is
// found all the same.
func TestServersThatFindNothingAskSeldom(t *testing.T) {
	t.Parallel()
	const servers, lane = 8, "bulk"
	client, _, tap := tapped(t)
	done := make(chan string, 2)
	start := time.Now()
	for range servers {
		server := asynq.NewServerFromRedisClient(client, asynq.Config{
			Concurrency: 1, Queues: map[string]int{lane: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second,
			TaskCheckInterval: rhythm.Pending, DelayedTaskCheckInterval: rhythm.Delayed,
		})
		handle := asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			id, _ := asynq.GetTaskID(ctx)
			done <- id
			return nil
		})
		if err := server.Start(handle); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Shutdown)
	}
	tick := time.NewTicker(rhythm.Pending)
	defer tick.Stop()
	for tap.Asked("asynq:{bulk}:pending") < 4 || tap.Asked("asynq:{bulk}:retry") < 4 {
		<-tick.C
	}
	for list, every := range map[string]time.Duration{"pending": rhythm.Pending, "scheduled": rhythm.Delayed, "retry": rhythm.Delayed} {
		n := tap.Asked("asynq:{bulk}:" + list)
		// Before an answer comes, others may have asked: half of what each would ask for itself.
		if most := servers + int(servers*time.Since(start)/every)/2; n == 0 || n > most {
			t.Errorf("%s: asked %d times, more than %d", list, n, most)
		}
	}
	producer := asynq.NewClientFromRedisClient(client.UniversalClient)
	enqueue := func(name string, opts ...asynq.Option) {
		if _, err := producer.Enqueue(asynq.NewTask("test", nil), append(opts, asynq.Queue(lane), asynq.TaskID(name))...); err != nil {
			t.Fatal(err)
		}
	}
	enqueue("now")
	enqueue("soon", asynq.ProcessIn(time.Second))
	got := []string{<-done, <-done}
	slices.Sort(got)
	if !slices.Equal(got, []string{"now", "soon"}) {
		t.Errorf("tasks %v", got)
	}
}

// Servers whose clocks differ agree on when a task is due: its time is Redis'.
func TestServersOfDifferentClocks(t *testing.T) {
	t.Parallel()
	const lane, ahead = "bulk", 50 * time.Second // of the system's clock
	rdb := redistest.Start(t).Client(t)
	redisClock := func() time.Time { return time.Now().Add(-ahead) }
	client := NewServers(t.Context(), rdb, redisClock, rhythm)
	server := asynq.NewServerFromRedisClient(client, asynq.Config{
		Concurrency: 1, Queues: map[string]int{lane: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second,
		TaskCheckInterval: rhythm.Pending, DelayedTaskCheckInterval: rhythm.Delayed,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
	})
	done := make(chan time.Time, 3)
	handle := asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		lease := rdb.ZScore(ctx, "asynq:{bulk}:lease", id).Val()
		done <- time.Unix(int64(lease), 0)
		if retried, _ := asynq.GetRetryCount(ctx); retried == 0 {
			return errors.New("once more")
		}
		return nil
	})
	if err := server.Start(handle); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is the retry, which another clock would make a minute late
		if lease := <-done; lease.After(time.Now().Add(ahead/2)) || lease.Before(redisClock()) {
			t.Errorf("lease until %s, at %s of Redis", lease, redisClock())
		}
	}
	due := redisClock().Add(ahead / 2) // past for the system's clock
	if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane), asynq.TaskID("later"),
		asynq.ProcessAt(time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	rdb.ZAdd(t.Context(), "asynq:{bulk}:scheduled", redis.Z{Score: float64(due.Unix()), Member: "later"})
	if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane), asynq.TaskID("soon"),
		asynq.ProcessAt(time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	rdb.ZAdd(t.Context(), "asynq:{bulk}:scheduled", redis.Z{Score: float64(redisClock().Unix()), Member: "soon"})
	<-done // soon
	if n := rdb.ZCard(t.Context(), "asynq:{bulk}:scheduled").Val(); n != 1 {
		t.Errorf("%d tasks are scheduled: one that is not due has come", n)
	}
}

// A list that had nothing is asked again after a moment, and a lane at once when
// something has become due for it; another lane is none of its business.
func TestServersForgetsNothing(t *testing.T) {
	t.Parallel()
	const pending, scheduled, other = "asynq:{a}:pending", "asynq:{a}:scheduled", "asynq:{b}:pending"
	client, _, tap := tapped(t)
	load := func(source string) string {
		sha, err := client.ScriptLoad(t.Context(), source).Result()
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
	pop, due := load(`return redis.call('RPOP', KEYS[1])`), load(`return redis.call('INCRBY', KEYS[1], 0)`)
	dequeue := func(lane string) error {
		return client.EvalSha(t.Context(), pop, []string{lane, "asynq:{a}:paused", "asynq:{a}:active", "asynq:{a}:lease"}).Err()
	}
	forward := func() int64 { return client.EvalSha(t.Context(), due, []string{scheduled, pending}).Val().(int64) }
	for range 3 {
		if err := dequeue(pending); err != redis.Nil { //nolint:errorlint // asynq compares it like this
			t.Fatal(err)
		}
		if n := forward(); n != 0 {
			t.Fatal(n)
		}
	}
	if tap.Asked(pending) != 1 || tap.Asked(scheduled) != 1 {
		t.Errorf("asked %d and %d times", tap.Asked(pending), tap.Asked(scheduled))
	}
	if _ = dequeue(other); tap.Asked(other) != 1 {
		t.Error("another lane was not asked")
	}
	client.LPush(t.Context(), pending, "task")
	client.Incr(t.Context(), scheduled)
	client.found(scheduled, time.Now().Add(-rhythm.Delayed/2)) // a moment has passed
	if n := forward(); n != 1 {
		t.Errorf("%d are due", n)
	}
	if err := dequeue(pending); err != nil {
		t.Errorf("what has become due is not found: %v", err)
	}
}
