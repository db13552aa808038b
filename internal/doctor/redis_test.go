package doctor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/doctor"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	const answers, sound, writes = "ok*answers", "ok it writes an append-only file", "ok it accepts writes"
	tests := map[string]struct {
		args  []string
		lines []string
	}{
		"no limit":      {nil, []string{answers, sound, "warn*without a limit → set maxmemory", writes}},
		"evicting":      {[]string{"--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"}, []string{answers, "warn redis evicts keys* → docs/deployment.md", "ok*of 1 GiB", writes}},
		"no append":     {[]string{"--maxmemory", "1gb", "--appendonly", "no"}, []string{answers, "warn redis writes no append-only file", "ok*of 1 GiB", writes}},
		"lazy append":   {[]string{"--maxmemory", "1gb", "--appendfsync", "no"}, []string{answers, sound, "ok*of 1 GiB", "warn*appendfsync no*→ set appendfsync everysec", writes}},
		"full":          {[]string{"--maxmemory", "100kb"}, []string{answers, sound, "fail*nothing is accepted any more", "fail it refuses writes*OOM"}},
		"lone primary":  {[]string{"--maxmemory", "1gb", "--min-replicas-to-write", "1"}, []string{answers, sound, "ok*of 1 GiB", "fail it refuses writes*NOREPLICAS"}},
		"closed CONFIG": {[]string{"--maxmemory", "1gb", "--rename-command", "CONFIG", ""}, []string{answers, sound, "ok*of 1 GiB", "warn redis forbids CONFIG*min-replicas-to-write", writes}},
		"closed INFO":   {[]string{"--maxmemory", "1gb", "--rename-command", "INFO", ""}, []string{answers, sound, "warn redis forbids INFO", writes}},
		"closed MEMORY": {[]string{"--maxmemory", "1gb", "--rename-command", "MEMORY", ""}, []string{answers, sound, "ok*of 1 GiB", "warn redis forbids MEMORY*queues", writes}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.WithArgs(tt.args...))
			want(t, examine(t, environ(server.URL())), "redis", tt.lines...)
		})
	}
}

// A missing right of the user is a failure, with the ACL rule that grants it.
func TestRedisUserWithoutChannels(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithArgs("--maxmemory", "1gb"))
	operator := server.Client(t)
	if err := operator.Do(t.Context(), "acl", "setuser", "app", "on", ">secret", "+@all", "~*", "resetchannels").Err(); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(server.URL(), "redis://", "redis://app:secret@", 1)
	want(t, examine(t, environ(url)), "redis", "ok*answers", "ok*append-only", "ok*of 1 GiB",
		"fail*ACL SETUSER app &asynq:* &mms:* →", "ok it accepts writes")
}

// environ is a sound environment with a Redis URL.
func environ(url string) map[string]string { return sound(map[string]string{"REDIS_URL": url}) }

func TestRedisTopologies(t *testing.T) {
	t.Parallel()
	t.Run("replica", func(t *testing.T) {
		t.Parallel()
		replica := redistest.StartReplicaOf(t, redistest.Start(t), redistest.WithArgs("--maxmemory", "1gb"))
		want(t, examine(t, environ(replica.URL())), "redis",
			"ok*answers", "ok*append-only", "warn redis is a replica", "ok", "fail it refuses writes*READONLY")
	})
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		primary := redistest.Start(t, redistest.WithArgs("--maxmemory", "1gb"))
		redistest.StartReplicaOf(t, primary)
		sentinel := redistest.StartSentinel(t, "mms", primary, 1)
		url := fmt.Sprintf("redis-sentinel://%s?master_name=mms", sentinel.Addr())
		want(t, examine(t, environ(url)), "redis", "ok redis sentinel*answers", "ok*append-only", "ok*of 1 GiB",
			"warn*min-replicas-to-write 0*→ set min-replicas-to-write 1", "ok it accepts writes")
		if err := primary.Client(t).ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
			t.Fatal(err)
		}
		// A replica counts once it has answered, which it does every second.
		report := eventually(t, environ(url), "redis", "ok it accepts writes")
		want(t, report, "redis", "ok", "ok", "ok", "ok no write is accepted without a replica (min-replicas-to-write 1)", "ok it accepts writes")
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		node := redistest.StartCluster(t, redistest.WithArgs("--maxmemory", "1gb"))
		report := examine(t, environ("redis-cluster://"+node.Addr()))
		want(t, report, "redis", "ok redis cluster*answers", "ok*append-only", "ok*of 1 GiB", "warn*min-replicas-to-write 0", "ok it accepts writes")
		want(t, report, "clock", "ok")
		want(t, report, "workers", "warn no worker is alive")
	})
}

func TestRedisThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	frozen := redistest.Start(t)
	frozen.Freeze()
	locked := redistest.Start(t, redistest.WithPassword("hunter2"))
	for name, tt := range map[string]struct{ url, line string }{
		"nothing listens": {"redis://" + nowhere, "fail redis single [" + nowhere + "] does not answer*connection refused*→ start it"},
		"frozen":          {frozen.URL(), "fail*does not answer"},
		"no password":     {"redis://" + locked.Addr(), "fail*does not answer*NOAUTH"},
		"wrong password":  {"redis://:wrong@" + locked.Addr(), "fail*does not answer*WRONGPASS"},
		"not usable":      {"redis-sentinel://127.0.0.1:1", "fail REDIS_URL is not usable*master_name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, environ(tt.url))
			want(t, report, "redis", tt.line)
			want(t, report, "clock", "warn not checked → Redis has to answer first")
			want(t, report, "workers", "warn not checked → Redis has to answer first")
		})
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for name, tt := range map[string]struct {
		ours time.Duration
		line string
	}{
		"together": {0, "ok Redis' clock is 0.*s"},
		"behind":   {3 * time.Second, "warn Redis' clock is *s behind this machine's → have both machines keep time"},
		"ahead":    {-time.Minute, "fail Redis' clock is *s ahead of this machine's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := doctor.Examine(t.Context(), doctor.Options{
				Environ: environ(server.URL()), Processes: []config.Process{config.API},
				Now: func() time.Time { return time.Now().Add(tt.ours) },
			})
			want(t, report, "clock", tt.line)
		})
	}
}

// The clock of each living process is compared with Redis'.
func TestClocksOfProcesses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	for process, ahead := range map[string]time.Duration{"api a:1": 2 * time.Second, "worker b:2": -time.Minute} {
		clock := redisconn.NewClock(rdb, func() time.Time { return time.Now().Add(ahead) })
		if err := errors.Join(clock.Measure(t.Context()), clock.Publish(t.Context(), process)); err != nil {
			t.Fatal(err)
		}
	}
	report := doctor.Examine(t.Context(), doctor.Options{Environ: environ(server.URL()), Processes: []config.Process{config.API}})
	want(t, report, "clock", "ok Redis' clock is 0.*s", "ok the clock of api a:1 is *s ahead of Redis'",
		"warn the clock of worker b:2 is *s behind Redis' → have both machines keep time")
}

func TestKeys(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	environ := environ(server.URL())
	environ["API_KEYS"] = ""
	want(t, examine(t, environ), "keys", "fail there is no API key*→ mmsctl keys create")
	if _, _, err := apikey.NewStore(server.Client(t)).Create(t.Context(), apikey.Settings{Tenant: "acme", Scopes: apikey.AllScopes}); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, environ), "keys", "ok there are stored keys")
	environ["REDIS_URL"] = "redis://" + nowhere
	want(t, examine(t, environ), "keys", "warn API_KEYS is empty")
}

// One process has several queue servers, and counts once.
func TestWorkers(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	for _, slots := range []int{2, 5} {
		server := asynq.NewServerFromRedisClient(redis.Client(t), asynq.Config{Concurrency: slots, LogLevel: asynq.FatalLevel})
		if err := server.Start(asynq.NewServeMux()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Shutdown)
	}
	eventually(t, environ(redis.URL()), "workers", "ok 1 alive, which make up to 7 calls at once")
}

// eventually examines until a check finds something.
func eventually(tb testing.TB, environ map[string]string, check, line string) doctor.Report {
	tb.Helper()
	const patience = time.Minute
	for end := time.Now().Add(patience); ; {
		report := examine(tb, environ)
		if strings.Contains(found(report, check), line) {
			return report
		}
		if time.Now().After(end) {
			tb.Fatal(found(report, check))
		}
	}
}
