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

const lane = "bulk"

func tapped(t *testing.T) (redis.UniversalClient, *redistest.Server, *redistest.Tap) {
	t.Helper()
	server := redistest.Start(t)
	rdb, tap := server.Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	return NewServers(t.Context(), rdb, time.Now, []string{lane}, func(error) {}).Group(lane, 1, lane).Client(), server, tap
}

// Concurrent scripts share a round trip, and each caller has its own reply, also an
// error or NOSCRIPT.
func TestServersSharesRoundTrips(t *testing.T) {
	t.Parallel()
	const callers = 100
	client, _, tap := tapped(t)
	held, letGo := make(chan struct{}), make(chan struct{})
	tap.BeforePipeline = sync.OnceFunc(func() {
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
	if len(tap.Pipelines) >= callers || slices.Contains(tap.Commands, "evalsha") {
		t.Errorf("%d round trips for %d callers, and alone: %v", len(tap.Pipelines), callers, tap.Commands)
	}
	fresh := redis.NewScript(`return 'learned'`)
	if text, err := fresh.Run(t.Context(), client, nil).Text(); err != nil || text != "learned" {
		t.Errorf("%q, %v", text, err)
	}
}

// After the worker's lifetime no loop waits for a Redis that does not answer.
func TestServersEndsWithTheWorker(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, held, letGo := server.Client(t), make(chan struct{}), make(chan struct{})
	rdb.AddHook(&redistest.Tap{BeforePipeline: sync.OnceFunc(func() {
		close(held)
		<-letGo
	})})
	life, end := context.WithCancel(t.Context())
	servers := NewServers(life, rdb, time.Now, []string{lane}, func(error) {})
	client := servers.Group(lane, 1, lane).Client()
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
	servers.scripts.batch.Wait()
}

// A broken connection is an error of all scripts of the round trip.
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

// startServers runs n servers of the asynq in use. Each task that they run is
// sent to the returned channel.
func startServers(t *testing.T, servers *Servers, n int) <-chan string {
	t.Helper()
	done := make(chan string, 16)
	handle := asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		done <- id
		return nil
	})
	var started []*asynq.Server
	group := servers.Group(lane, n, lane)
	for range n {
		server := asynq.NewServerFromRedisClient(group.Client(), asynq.Config{
			Concurrency: 1, Queues: map[string]int{lane: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second,
			TaskCheckInterval: time.Millisecond, DelayedTaskCheckInterval: 20 * time.Millisecond,
		})
		if err := server.Start(handle); err != nil {
			t.Fatal(err)
		}
		started = append(started, server)
	}
	t.Cleanup(func() {
		servers.Release()
		for _, server := range started {
			server.Stop()
			server.Shutdown()
		}
	})
	return done
}

// Servers of the asynq in use run the scripts for pending and due tasks only when there
// are some: idle ones run none, and all of them end.
func TestIdleServersRunNoScripts(t *testing.T) {
	t.Parallel()
	rdb, tap := redistest.Start(t).Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	servers := NewServers(t.Context(), rdb, time.Now, []string{lane}, func(error) {})
	done := startServers(t, servers, 8)
	watch(t, servers)
	producer := asynq.NewClientFromRedisClient(rdb)
	enqueue := func(name string, opts ...asynq.Option) {
		if _, err := producer.Enqueue(asynq.NewTask("test", nil), append(opts, asynq.Queue(lane), asynq.TaskID(name))...); err != nil {
			t.Fatal(err)
		}
	}
	enqueue("now")
	enqueue("soon", asynq.ProcessIn(time.Second))
	got := []string{<-done, <-done}
	if !slices.Equal(got, []string{"now", "soon"}) {
		t.Errorf("tasks %v", got)
	}
	// Each indication of a task lets each of eight servers run the script once.
	for list, most := range map[string]int{"pending": 40, "scheduled": 40, "retry": 0} {
		if n := tap.Scripts("asynq:{bulk}:" + list); n > most {
			t.Errorf("%s: %d scripts, want %d at most", list, n, most)
		}
	}
}

// watch runs Watch until the test ends.
func watch(t *testing.T, servers *Servers) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { servers.Watch(ctx) })
	t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
}

// An announcement wakes an idle server; without one the next poll finds the task.
func TestAnnouncedTaskIsDequeuedBeforeTheNextPoll(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	servers := NewServers(t.Context(), rdb, time.Now, []string{lane}, func(error) {})
	done := startServers(t, servers, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	listening.Go(func() { servers.listen(ctx) }) // without polls
	defer listening.Wait()
	defer cancel()
	if err := servers.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	producer, notifier := asynq.NewClientFromRedisClient(Producer{rdb}), NewNotifier(rdb)
	for rdb.PubSubNumSub(t.Context(), notifier.channel).Val()[notifier.channel] == 0 {
		if t.Context().Err() != nil {
			t.Fatal("no subscription")
		}
	}
	if _, err := producer.Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane), asynq.TaskID("one")); err != nil {
		t.Fatal(err)
	}
	pipe := rdb.Pipeline()
	notifier.Notify(t.Context(), pipe, map[string]bool{lane: true})
	notifier.Notify(t.Context(), pipe, map[string]bool{lane: true}) // within notifyEvery
	if pipe.Len() != 1 {
		t.Errorf("%d announcements", pipe.Len())
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id := <-done; id != "one" {
		t.Errorf("task %s", id)
	}
}

// While Redis refuses, asynq's loops do not repeat their scripts, and the state is
// reported once when it begins and once when it ends.
func TestRefusingRedisIsPolledInGrowingPauses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, tap := server.Client(t), &redistest.Tap{}
	rdb.AddHook(tap)
	reports := make(chan error, 64)
	servers := NewServers(t.Context(), rdb, time.Now, []string{lane}, func(err error) { reports <- err })
	done := startServers(t, servers, 4)
	watch(t, servers)
	operator := server.Client(t)
	for _, args := range [][]any{{"config", "set", "requirepass", "rotated"}, {"client", "kill", "type", "normal", "skipme", "yes"}} {
		if err := operator.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-reports; err == nil {
		t.Fatal("reported as working")
	}
	before := tap.Count()
	began := time.Now()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for tap.Count() < before+8 { // polls continue
		<-tick.C
	}
	if most := int(time.Since(began) / pollEvery); tap.Count()-before > most {
		t.Errorf("%d round trips, want %d at most", tap.Count()-before, most)
	}
	if n := tap.Scripts("asynq:{bulk}:pending"); n > 0 {
		t.Errorf("asynq's script was repeated %d times", n)
	}
	if err := operator.Do(t.Context(), "config", "set", "requirepass", "").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-reports; err != nil {
		t.Errorf("reported a second time: %v", err)
	}
	if _, err := asynq.NewClientFromRedisClient(operator).Enqueue(asynq.NewTask("test", nil), asynq.Queue(lane), asynq.TaskID("one")); err != nil {
		t.Fatal(err)
	}
	if id := <-done; id != "one" {
		t.Errorf("task %s", id)
	}
}

// A poll that began before a task was added does not hide it.
func TestTaskAddedDuringAPollIsKept(t *testing.T) {
	t.Parallel()
	lists := newLists(time.Now, func(error) {})
	lists.gained("list", time.Now())
	version, may := lists.mayHaveTask("list")
	if !may {
		t.Fatal("not known")
	}
	lists.gained("list", time.Now())
	lists.found("list", version, false)
	if _, may := lists.mayHaveTask("list"); !may {
		t.Error("the added task is lost")
	}
	version, _ = lists.mayHaveTask("list")
	lists.found("list", version, false)
	if _, may := lists.mayHaveTask("list"); may {
		t.Error("an empty list may have a task")
	}
	lists.gained("list", time.Now().Add(time.Hour))
	if _, may := lists.mayHaveTask("list"); may {
		t.Error("a list may have a task before its first one is due")
	}
}

// Servers whose clocks differ agree on when a task is due: its time is Redis'.
func TestServersOfDifferentClocks(t *testing.T) {
	t.Parallel()
	const ahead = 50 * time.Second // of the system's clock
	rdb := redistest.Start(t).Client(t)
	redisClock := func() time.Time { return time.Now().Add(-ahead) }
	servers := NewServers(t.Context(), rdb, redisClock, []string{lane}, func(error) {})
	watch(t, servers)
	server := asynq.NewServerFromRedisClient(servers.Group(lane, 1, lane).Client(), asynq.Config{
		Concurrency: 1, Queues: map[string]int{lane: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second,
		TaskCheckInterval: time.Millisecond, DelayedTaskCheckInterval: 20 * time.Millisecond,
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
	t.Cleanup(func() {
		servers.Release()
		server.Shutdown()
	})
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
