package redisconn_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

var _ asynq.RedisConnOpt = redisconn.Options{}

// patience is what one command against a Redis that does not answer may cost.
// The promise is 1.5 s; the rest is for a busy machine, and ends before the 5 s
// that go-redis' own limits allow.
const patience = 4 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

func connect(tb testing.TB, rawURL string, change ...func(*redisconn.Options)) redis.UniversalClient {
	tb.Helper()
	opts, err := redisconn.Parse(rawURL)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range change {
		f(&opts)
	}
	client := redisconn.New(opts)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func mustFailQuickly(tb testing.TB, what string, call func() error) {
	tb.Helper()
	begun := time.Now()
	err := call()
	if took := time.Since(begun); took > patience {
		tb.Errorf("%s took %s, want at most %s", what, took, patience)
	}
	if err == nil {
		tb.Errorf("%s succeeded", what)
	}
}

func TestFrozenRedisCostsLittle(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client := connect(t, srv.URL(), func(o *redisconn.Options) { o.Concurrency = 20 })
	ctx := t.Context()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	srv.Freeze()
	mustFailQuickly(t, "a command on a used connection", func() error { return client.Ping(ctx).Err() })
	mustFailQuickly(t, "a command on a new connection", func() error { return connect(t, srv.URL()).Ping(ctx).Err() })
	mustFailQuickly(t, "a pipeline", func() error {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "k", "v", 0).Err() })
		return err
	})
	mustFailQuickly(t, "a script", func() error { return redis.NewScript("return 1").Run(ctx, client, nil).Err() })
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := client.Ping(short).Err(); err == nil {
		t.Error("a frozen Redis answered")
	}
	if took := time.Since(begun); took > patience/4 {
		t.Errorf("a context of 50ms ended after %s", took)
	}
	srv.Thaw()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

func TestManyCallersOnFrozenRedisAllGetAnAnswer(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client := connect(t, srv.URL(), func(o *redisconn.Options) { o.Concurrency = 4 })
	srv.Freeze()
	const callers = 60 // far more than connections
	results := make(chan error, callers)
	begun := time.Now()
	for range callers {
		go func() { results <- client.Ping(t.Context()).Err() }()
	}
	for range callers {
		if err := <-results; err == nil {
			t.Error("a frozen Redis answered")
		}
	}
	if took := time.Since(begun); took > patience {
		t.Errorf("the last caller waited %s, want at most %s", took, patience)
	}
}

func TestDeadRedisCostsLittleAndComesBack(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client := connect(t, srv.URL())
	ctx := t.Context()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	mustFailQuickly(t, "a command", func() error { return client.Ping(ctx).Err() })
	srv.Restart()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestListenerThatNeverAnswersCostsLittle(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for _, raw := range []string{
		"redis://" + l.Addr().String(),
		"redis-sentinel://" + l.Addr().String() + "?master_name=m",
		"redis-cluster://" + l.Addr().String(),
	} {
		client := connect(t, raw)
		mustFailQuickly(t, raw, func() error { return client.Ping(t.Context()).Err() })
	}
}

func TestWrongPasswordIsNotShown(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.WithPassword("right"))
	wrong := connect(t, "redis://:wr0ngpassword@"+srv.Addr())
	err := wrong.Ping(t.Context()).Err()
	if err == nil {
		t.Fatal("a wrong password was let in")
	}
	if !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wr0ngpassword") {
		t.Errorf("err = %v", err)
	}
	if err := connect(t, srv.URL()).Ping(t.Context()).Err(); err != nil {
		t.Errorf("with the right one: %v", err)
	}
}

func TestOnConnectSeesEveryNewConnection(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	var seen atomic.Int32
	refuse := errors.New("refused by the hook")
	var refusing atomic.Bool
	client := connect(t, srv.URL(), func(o *redisconn.Options) {
		o.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
			seen.Add(1)
			if refusing.Load() {
				return refuse
			}
			return conn.Ping(ctx).Err()
		}
	})
	ctx := t.Context()
	for range 3 {
		if err := client.Ping(ctx).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got := seen.Load(); got != 1 {
		t.Errorf("hook called %d times for one connection", got)
	}
	srv.Restart()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if got := seen.Load(); got != 2 {
		t.Errorf("hook called %d times after a restart, want 2", got)
	}
	refusing.Store(true)
	srv.Restart()
	if err := client.Ping(ctx).Err(); !errors.Is(err, refuse) {
		t.Errorf("err = %v, want the hook's", err)
	}
}

func TestClientName(t *testing.T) {
	t.Parallel()
	db := redistest.Shared(t)
	client := connect(t, db.URL(), func(o *redisconn.Options) { o.ClientName = "mms-test" })
	named := connect(t, db.URL()+"?client_name=mine", func(o *redisconn.Options) { o.ClientName = "mms-test" })
	if got := named.ClientGetName(t.Context()).Val(); got != "mine" {
		t.Errorf("name %q, want that of the URL", got)
	}
	if got := client.ClientGetName(t.Context()).Val(); got != "mms-test" {
		t.Errorf("client name = %q", got)
	}
}

func TestSentinelAndClusterClientsWrite(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	sentinel := redistest.StartSentinel(t, "mymaster", primary, 1)
	node := redistest.StartCluster(t)
	for _, raw := range []string{
		"redis-sentinel://" + sentinel.Addr() + "?master_name=mymaster",
		"redis-cluster://" + node.Addr(),
	} {
		client := connect(t, raw)
		if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestBlockingReadsAreNotCutShort(t *testing.T) {
	t.Parallel()
	client := connect(t, redistest.Shared(t).URL(), func(o *redisconn.Options) { o.Concurrency = 4 })
	const wait = 1700 * time.Millisecond // beyond what other commands may take
	begun := time.Now()
	err := client.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"none", "$"}, Block: wait}).Err()
	if !errors.Is(err, redis.Nil) {
		t.Errorf("err = %v, want redis.Nil", err)
	}
	if took := time.Since(begun); took < wait {
		t.Errorf("blocked for %s, want %s", took, wait)
	}
}

// The short read timeout must not break asynq, whose server polls with scripts
// and keeps one subscription open.
func TestAsynqRunsOnAClientOfItsOwn(t *testing.T) {
	t.Parallel()
	opts, err := redisconn.Parse(redistest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	server := asynq.NewServer(opts, asynq.Config{
		Concurrency: 2, LogLevel: asynq.FatalLevel, TaskCheckInterval: 50 * time.Millisecond,
	})
	err = server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		done <- string(task.Payload())
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	client := asynq.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("say", []byte("hello"))); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-done:
		if got != "hello" {
			t.Errorf("payload = %q", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("the task never ran")
	}
}
