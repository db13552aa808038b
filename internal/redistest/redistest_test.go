package redistest_test

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

func TestServerSurvivesRestartAndCrash(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client := srv.Client(t)
	addr := srv.Addr()
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}

	srv.Stop()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a stopped server answers")
	}
	srv.Restart()
	if got := client.Get(t.Context(), "k").Val(); got != "v" {
		t.Fatalf("after a graceful stop k = %q, want v", got)
	}

	srv.Kill()
	srv.Restart()
	if srv.Addr() != addr {
		t.Fatalf("address moved from %s to %s", addr, srv.Addr())
	}
	if got := client.Get(t.Context(), "k").Val(); got != "v" {
		t.Fatalf("after a crash k = %q, want v", got)
	}
}

func TestServerIsDurableAndNeverEvicts(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t, redistest.WithArgs("--maxmemory", "50mb")).Client(t)
	for name, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "maxmemory": "52428800",
	} {
		got, err := client.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

func TestFrozenServerAnswersOnlyOnceThawed(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client := srv.Client(t)
	srv.Freeze()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := client.Ping(short).Err(); err == nil {
		t.Fatal("a frozen server answers")
	}
	srv.Thaw()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("a thawed server does not answer: %v", err)
	}
	srv.Freeze()
	srv.Stop() // must not hang
}

func TestPasswordIsInTheURL(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.WithPassword("p@ss/w0rd"))
	parsed, err := url.Parse(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := parsed.User.Password(); got != "p@ss/w0rd" {
		t.Fatalf("password in URL = %q", got)
	}
	if err := srv.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	anonymous := redis.NewClient(&redis.Options{Addr: srv.Addr()})
	t.Cleanup(func() { _ = anonymous.Close() })
	if err := anonymous.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a client without password was let in")
	}
}

func TestManyServersAtOnceGetTheirOwnPorts(t *testing.T) {
	t.Parallel()
	const count = 6
	addrs := make(chan string, count)
	var wg sync.WaitGroup
	for range count {
		wg.Go(func() { addrs <- redistest.Start(t).Addr() })
	}
	wg.Wait()
	close(addrs)
	seen := map[string]bool{}
	for addr := range addrs {
		if seen[addr] {
			t.Errorf("%s was given twice", addr)
		}
		seen[addr] = true
	}
}

func TestSharedDatabasesAreApartAndEmpty(t *testing.T) {
	t.Parallel()
	first, second := redistest.Shared(t), redistest.Shared(t)
	if first.Addr() != second.Addr() {
		t.Errorf("two servers, %s and %s, want one", first.Addr(), second.Addr())
	}
	if first.Number() == second.Number() {
		t.Errorf("database %d was given twice", first.Number())
	}
	if err := first.Client(t).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := second.Client(t).DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("second database has %d keys, want 0", n)
	}
	opts, err := redis.ParseURL(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	byURL := redis.NewClient(opts)
	t.Cleanup(func() { _ = byURL.Close() })
	if got := byURL.Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("through the URL k = %q, want v", got)
	}
}

func TestReplicaFollowsItsPrimary(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t, redistest.WithPassword("secret"))
	replica := redistest.StartReplicaOf(t, primary)
	if err := primary.Client(t).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := primary.Client(t).Wait(t.Context(), 1, time.Second).Val(); n != 1 {
		t.Fatalf("WAIT = %d replicas, want 1", n)
	}
	err := replica.Client(t).Set(t.Context(), "k", "w", 0).Err()
	if !redis.IsReadOnlyError(err) {
		t.Fatalf("writing to the replica: %v, want READONLY", err)
	}
}

func TestSentinelNamesThePrimary(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	sentinel := redistest.StartSentinel(t, "mymaster", primary, 1)
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "mymaster", SentinelAddrs: []string{sentinel.Addr()},
	})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := primary.Client(t).Get(t.Context(), "k").Val(); got != "v" {
		t.Fatalf("on the primary k = %q, want v", got)
	}
}

func TestClusterServesEverySlot(t *testing.T) {
	t.Parallel()
	node := redistest.StartCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Addr()}})
	t.Cleanup(func() { _ = client.Close() })
	for _, key := range []string{"a", "b", "c"} {
		if err := client.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Errorf("set %s: %v", key, err)
		}
	}
	if err := node.Client(t).MSet(t.Context(), "a", 1, "b", 2).Err(); err == nil {
		t.Error("a command over two slots passed")
	}
}
