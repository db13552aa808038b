package jobs

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// scriptCount counts the scripts that reach Redis, by their first key.
type scriptCount struct {
	mu   sync.Mutex
	keys []string
}

func (*scriptCount) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *scriptCount) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.note(cmd)
		return next(ctx, cmd)
	}
}

func (c *scriptCount) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			c.note(cmd)
		}
		return next(ctx, cmds)
	}
}

func (c *scriptCount) note(cmd redis.Cmder) {
	script, ok := cmd.(*redis.Cmd)
	if !ok {
		return
	}
	if keys := scriptKeys(script); len(keys) > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keys = append(c.keys, keys[0])
	}
}

func (c *scriptCount) count(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, one := range c.keys {
		if one == key {
			n++
		}
	}
	return n
}

// polling is a client whose polls are counted behind the hook.
func polling(t *testing.T) (rdb *redis.Client, reached *scriptCount) {
	t.Helper()
	rdb, reached = redistest.Start(t).Client(t), &scriptCount{}
	NewTaskClient(rdb)
	rdb.AddHook(reached)
	return rdb, reached
}

// An asynq server of the version in use asks for tasks and for what is due as
// polls knows it: of many servers that find nothing only one asks at a time,
// and what comes is found all the same.
func TestServersThatFindNothingAskSeldom(t *testing.T) {
	t.Parallel()
	const servers, lane = 8, "bulk"
	rdb, reached := polling(t)
	done := make(chan string, 2)
	for range servers {
		server := newServer(Options{Tasks: rdb, AsynqLog: quiet{}, Shutdown: time.Second}, 1, map[string]int{lane: 1})
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
	start := time.Now()
	eventually(t, func() bool {
		return reached.count("asynq:{bulk}:pending") >= 4 && reached.count("asynq:{bulk}:retry") >= 4
	})
	passed := time.Since(start)
	for list, fresh := range map[string]time.Duration{"pending": pendingFresh, "scheduled": delayedFresh, "retry": delayedFresh} {
		// One may be on its way for each server when the first answer comes.
		if n, most := reached.count("asynq:{bulk}:"+list), servers*(int(passed/fresh)+1)/2; n > most {
			t.Errorf("%s: asked %d times in %v, more than %d", list, n, passed, most)
		}
	}
	client := asynq.NewClientFromRedisClient(rdb)
	enqueue := func(name string, opts ...asynq.Option) {
		if _, err := client.Enqueue(asynq.NewTask(TaskType, nil), append(opts, asynq.Queue(lane), asynq.TaskID(name))...); err != nil {
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

// A lane that was empty is asked again after a moment, and at once when
// something has become due; another lane is none of its business.
func TestPollsForget(t *testing.T) {
	t.Parallel()
	pending, scheduled := "asynq:{a}:pending", "asynq:{a}:scheduled"
	answers := map[string]any{}
	asked := map[string]int{}
	p := &polls{nothing: make(map[string]time.Time)}
	run := p.ProcessHook(func(_ context.Context, cmd redis.Cmder) error {
		script, ok := cmd.(*redis.Cmd)
		if !ok {
			t.Fatalf("%T", cmd)
		}
		key := scriptKeys(script)[0]
		asked[key]++
		if answers[key] == nil {
			script.SetErr(redis.Nil)
			return redis.Nil
		}
		script.SetVal(answers[key])
		return nil
	})
	dequeue := func() error {
		return run(t.Context(), redis.NewCmd(t.Context(), "evalsha", "x", 4, pending, "asynq:{a}:paused", "asynq:{a}:active", "asynq:{a}:lease", 1))
	}
	forward := func() int64 {
		cmd := redis.NewCmd(t.Context(), "evalsha", "y", 2, scheduled, pending, 1)
		if err := run(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
		n, err := cmd.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 3 {
		if err := dequeue(); err != redis.Nil { //nolint:errorlint // asynq compares it like this
			t.Fatal(err)
		}
	}
	answers[scheduled] = int64(0)
	for range 3 {
		if n := forward(); n != 0 {
			t.Fatal(n)
		}
	}
	if asked[pending] != 1 || asked[scheduled] != 1 {
		t.Fatalf("asked %v", asked)
	}
	p.nothing[scheduled] = time.Now().Add(-delayedFresh)
	answers[scheduled], answers[pending] = int64(2), "task"
	if n := forward(); n != 2 {
		t.Fatal(n)
	}
	if err := dequeue(); err != nil || asked[pending] != 2 {
		t.Fatalf("%v, asked %v", err, asked)
	}
}
