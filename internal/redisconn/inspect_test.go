package redisconn_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

func inspect(tb testing.TB, client redis.UniversalClient) redisconn.Health {
	tb.Helper()
	health, err := redisconn.Inspect(tb.Context(), client)
	if err != nil {
		tb.Fatal(err)
	}
	return health
}

func wantWarning(tb testing.TB, health redisconn.Health, words ...string) {
	tb.Helper()
	if len(health.Warnings) != len(words) {
		tb.Fatalf("warnings = %q, want %d", health.Warnings, len(words))
	}
	for i, word := range words {
		if !strings.Contains(health.Warnings[i], word) {
			tb.Errorf("warning %q, want it to say %q", health.Warnings[i], word)
		}
	}
}

func TestInspectSoundRedis(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.WithArgs("--maxmemory", "64mb"))
	client := connect(t, srv.URL())
	got := inspect(t, client)
	wantWarning(t, got)
	if got.Role != redisconn.RoleMaster || got.Policy != "noeviction" || !got.AOF || got.MaxMemory != 64<<20 || got.Version == "" {
		t.Errorf("health = %+v", got)
	}
	if got.UsedMemory == 0 || got.UsedMemory > got.MaxMemory {
		t.Errorf("used memory = %d", got.UsedMemory)
	}
	srv.Restart()
	if again := inspect(t, client); again.RunID == got.RunID || again.RunID == "" {
		t.Errorf("run id before the restart %q, after %q", got.RunID, again.RunID)
	}
}

func TestInspectWarns(t *testing.T) {
	t.Parallel()
	evicting := redistest.Start(t, redistest.WithArgs("--maxmemory-policy", "allkeys-lru"))
	wantWarning(t, inspect(t, connect(t, evicting.URL())), "allkeys-lru")

	volatile := redistest.Start(t, redistest.WithArgs("--appendonly", "no"))
	wantWarning(t, inspect(t, connect(t, volatile.URL())), "append-only")

	primary := redistest.Start(t)
	replica := redistest.StartReplicaOf(t, primary)
	health := inspect(t, connect(t, replica.URL()))
	wantWarning(t, health, "replica")
	if health.Role == redisconn.RoleMaster {
		t.Errorf("role = %s", health.Role)
	}
}

func TestInspectWithoutConfigCommand(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.WithArgs("--rename-command", "CONFIG", ""))
	health := inspect(t, connect(t, srv.URL()))
	wantWarning(t, health)
	if health.Policy != "noeviction" || !health.AOF {
		t.Errorf("health = %+v", health)
	}
}

func TestInspectCluster(t *testing.T) {
	t.Parallel()
	node := redistest.StartCluster(t, redistest.WithArgs("--maxmemory-policy", "volatile-ttl"))
	health := inspect(t, connect(t, "redis-cluster://"+node.Addr()))
	wantWarning(t, health, "volatile-ttl")
	if health.RunID == "" || !health.AOF {
		t.Errorf("health = %+v", health)
	}
}

func TestInspectServerThatTellsNothing(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	wantWarning(t, inspect(t, connect(t, "redis://"+mini.Addr())), "does not report")
}

func TestInspectDeadRedis(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	srv.Kill()
	if _, err := redisconn.Inspect(t.Context(), connect(t, srv.URL())); err == nil {
		t.Fatal("a dead Redis was inspected")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	one := redistest.Start(t, redistest.WithArgs("--min-replicas-to-write", "2"))
	node := redistest.StartCluster(t, redistest.WithArgs("--min-replicas-to-write", "1"))
	silent := redistest.Start(t, redistest.WithArgs("--rename-command", "CONFIG", ""))
	for url, want := range map[string][]string{
		one.URL(): {"2"}, "redis-cluster://" + node.Addr(): {"1"}, silent.URL(): nil,
	} {
		if got := redisconn.Settings(t.Context(), connect(t, url), "min-replicas-to-write"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
