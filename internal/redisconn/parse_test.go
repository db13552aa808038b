package redisconn

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestParseSingle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		addr, user, password string
		db                   int
		tls                  bool
	}{
		"redis://localhost":                     {addr: "localhost:6379"},
		"redis://":                              {addr: "localhost:6379"},
		"redis://10.0.0.1:7000/3":               {addr: "10.0.0.1:7000", db: 3},
		"redis://h/?db=4":                       {addr: "h:6379", db: 4},
		"redis://[::1]:6380":                    {addr: "[::1]:6380"},
		"redis://:p%40ss%2F@h":                  {addr: "h:6379", password: "p@ss/"},
		"rediss://user:secret@redis.example:1/": {addr: "redis.example:1", user: "user", password: "secret", tls: true},
		"rediss://h?skip_verify=true":           {addr: "h:6379", tls: true},
	}
	for raw, want := range tests {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			opts, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if opts.Mode() != ModeSingle {
				t.Fatalf("mode = %s", opts.Mode())
			}
			got := opts.universal().Simple()
			if got.Addr != want.addr || got.Username != want.user || got.Password != want.password ||
				got.DB != want.db || (got.TLSConfig != nil) != want.tls {
				t.Errorf("got addr %s user %s password %s db %d tls %v, want %+v",
					got.Addr, got.Username, got.Password, got.DB, got.TLSConfig != nil, want)
			}
		})
	}
}

func TestParseSentinel(t *testing.T) {
	t.Parallel()
	opts, err := Parse("rediss-sentinel://su:sp@s1:26379/2?master_name=mymaster&addr=s2:26380&addr=s3:26381&username=du&password=dp")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Mode() != ModeSentinel {
		t.Fatalf("mode = %s", opts.Mode())
	}
	got := opts.universal().Failover()
	if want := []string{"s1:26379", "s2:26380", "s3:26381"}; !slices.Equal(got.SentinelAddrs, want) {
		t.Errorf("sentinels = %v, want %v", got.SentinelAddrs, want)
	}
	if got.MasterName != "mymaster" || got.DB != 2 || got.TLSConfig == nil {
		t.Errorf("master %q, db %d, tls %v", got.MasterName, got.DB, got.TLSConfig != nil)
	}
	if got.SentinelUsername != "su" || got.SentinelPassword != "sp" || got.Username != "du" || got.Password != "dp" {
		t.Errorf("credentials: sentinel %s/%s, data %s/%s", got.SentinelUsername, got.SentinelPassword, got.Username, got.Password)
	}
}

func TestParseCluster(t *testing.T) {
	t.Parallel()
	opts, err := Parse("redis-cluster://u:p@n1:7000/0?addr=n2:7001&read_timeout=900ms")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Mode() != ModeCluster {
		t.Fatalf("mode = %s", opts.Mode())
	}
	got := opts.universal().Cluster()
	if want := []string{"n1:7000", "n2:7001"}; !slices.Equal(got.Addrs, want) {
		t.Errorf("nodes = %v, want %v", got.Addrs, want)
	}
	if got.Username != "u" || got.Password != "p" || got.TLSConfig != nil || got.ReadTimeout != 900*time.Millisecond {
		t.Errorf("user %s password %s tls %v read %s", got.Username, got.Password, got.TLSConfig != nil, got.ReadTimeout)
	}
	if _, err := Parse("rediss-cluster://n1"); err != nil {
		t.Error(err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3tpassw0rd"
	tests := map[string]string{ // URL with %s for a secret → part of the message
		"":                                       "scheme",
		"%s":                                     "scheme",
		"localhost:6379":                         "scheme",
		"http://:%s@h":                           "scheme",
		"unix:///tmp/%s":                         "scheme",
		"redis-%s://h":                           "scheme",
		"redis:%s":                               "://",
		"redis://:%s":                            "percent-encoded",
		"redis://:x/%s@h:1":                      "percent-encoded",
		"redis://:%%zz%s@h":                      "percent-encoded",
		"redis://u#%s@h":                         "%23",
		"redis://h:70000?client_name=%s":         "port",
		"redis://:%s@h:0":                        "port",
		"redis://h/%s":                           "database number",
		"redis://u/%s@h":                         "database number",
		"redis://h/-1":                           "database number",
		"redis://h/1/2":                          "database number",
		"redis://h?db=-2":                        "database must not be negative",
		"redis://h?db=%s":                        "parameter db",
		"redis://u?%s@h":                         "not known",
		"redis://h?%s=1":                         "not known",
		"redis://h?a;%s":                         "query",
		"redis://h?read_timeout=%s":              "parameter read_timeout",
		"redis://h?read_timeout=0s":              "read_timeout must be above 0",
		"redis://h?pool_size=-5":                 "pool_size must be between",
		"redis://h?pool_size=9999999":            "pool_size must be between",
		"redis://h?pipeline_read_buffer_size=-1": "pipeline_read_buffer_size must be between",
		"redis://h?protocol=1":                   "protocol must be",
		"redis://h?addr=h2:1":                    "not known",
		"redis-sentinel://h":                     "master_name",
		"redis-sentinel://h?master_name=m&addr=%s":           "addr must be host:port",
		"redis-sentinel://h?master_name=m&replica_only=true": "replicas",
		"redis-sentinel://h?master_name=m&route_randomly=1":  "replicas",
		"redis-cluster://h/1":                                "database 0",
		"redis-cluster://h?read_only=true":                   "replicas",
		"redis-cluster://:%s@h?addr=nope":                    "addr must be host:port",
		"redis-cluster://h?route_by_latency=%s":              "parameter route_by_latency",
	}
	for format, want := range tests {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			raw := strings.ReplaceAll(strings.ReplaceAll(format, "%%", "%"), "%s", secret)
			_, err := Parse(raw)
			if !errors.Is(err, ErrURL) {
				t.Fatalf("err = %v, want ErrURL", err)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("err = %q, want it to say %q", err, want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("err shows the secret: %q", err)
			}
		})
	}
}

func TestURLWinsOverDefaults(t *testing.T) {
	t.Parallel()
	opts, err := Parse("redis://h?read_timeout=3s&pool_size=7&max_retries=-1")
	if err != nil {
		t.Fatal(err)
	}
	opts.Concurrency = 50
	got := opts.universal().Simple()
	if got.ReadTimeout != 3*time.Second || got.PoolSize != 7 || got.MaxRetries != -1 {
		t.Errorf("read %s pool %d retries %d", got.ReadTimeout, got.PoolSize, got.MaxRetries)
	}
	if got.WriteTimeout != WriteTimeout || got.DialTimeout != DialTimeout || !got.ContextTimeoutEnabled {
		t.Errorf("write %s dial %s context %v", got.WriteTimeout, got.DialTimeout, got.ContextTimeoutEnabled)
	}
}

// TestEveryParameterReachesTheClient sets each field of go-redis' three structs
// and wants it back after the way through UniversalOptions, except for those that
// no URL can set.
func TestEveryParameterReachesTheClient(t *testing.T) {
	t.Parallel()
	common := "client_name=c&protocol=3&min_retry_backoff=11ms&max_retry_backoff=12ms&dial_timeout=13ms&read_timeout=14ms" +
		"&write_timeout=15ms&pool_fifo=true&pool_size=16&max_concurrent_dials=17&min_idle_conns=18&max_idle_conns=19" +
		"&max_active_conns=20&pipeline_pool_size=21&pipeline_read_buffer_size=22&pipeline_write_buffer_size=23" +
		"&conn_max_lifetime=24s&conn_max_lifetime_jitter=5s&conn_max_idle_time=25s&pool_timeout=26ms&max_retries=3"
	further := "&dialer_retries=4&dialer_retry_timeout=27ms&addr=h2:2"
	sentinel := "redis://u:p@h:1/5?master_name=m&username=du&password=dp&" + common + further + "&identitySuffix=s"
	cluster := "redis://u:p@h:1?max_redirects=6&failing_timeout_seconds=7&" + common + further
	single := "redis://u:p@h:1/5?" + common
	wantSingle, err := redis.ParseURL(single)
	if err != nil {
		t.Fatal(err)
	}
	wantSentinel, err := redis.ParseFailoverURL(sentinel)
	if err != nil {
		t.Fatal(err)
	}
	wantCluster, err := redis.ParseClusterURL(cluster)
	if err != nil {
		t.Fatal(err)
	}
	wantSingle.Network = "" // go-redis' default, tcp
	for mode, c := range map[Mode]struct {
		raw  string
		want any
		got  func(*redis.UniversalOptions) any
	}{
		ModeSingle:   {single, wantSingle, func(u *redis.UniversalOptions) any { return u.Simple() }},
		ModeSentinel: {sentinel, wantSentinel, func(u *redis.UniversalOptions) any { return u.Failover() }},
		ModeCluster:  {cluster, wantCluster, func(u *redis.UniversalOptions) any { return u.Cluster() }},
	} {
		u, err := url.Parse(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		opts, err := parseMode(u, mode)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.got(&opts.url); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got\n%+v, want\n%+v", mode, got, c.want)
		}
	}
}

func TestConcurrencySizesThePool(t *testing.T) {
	t.Parallel()
	for raw, poolOf := range map[string]func(Options) int{
		"redis://h":                        func(o Options) int { return o.universal().Simple().PoolSize },
		"redis-sentinel://h?master_name=m": func(o Options) int { return o.universal().Failover().PoolSize },
		"redis-cluster://h":                func(o Options) int { return o.universal().Cluster().PoolSize },
	} {
		opts, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := poolOf(opts); got != 0 {
			t.Errorf("%s: without concurrency the pool is %d, want go-redis' default", raw, got)
		}
		opts.Concurrency = 50
		if got := poolOf(opts); got < 50 {
			t.Errorf("%s: pool of %d for 50 goroutines", raw, got)
		}
	}
}

func TestPrintingOptionsHidesCredentials(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"redis://hidden:hidden@h:1",
		"redis-sentinel://hidden:hidden@h:1?master_name=m&password=hidden",
		"redis-cluster://hidden:hidden@h:1",
	} {
		opts, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, opts); strings.Contains(got, "hidden") || !strings.Contains(got, "h:1") {
				t.Errorf("%s of %s = %s", verb, opts.Mode(), got)
			}
		}
	}
}

func TestNewMakesTheClientOfTheMode(t *testing.T) {
	t.Parallel()
	tests := map[string]func(redis.UniversalClient) bool{
		"redis://127.0.0.1:1": func(c redis.UniversalClient) bool { _, ok := c.(*redis.Client); return ok },
		"redis-sentinel://127.0.0.1:1?master_name=m": func(c redis.UniversalClient) bool {
			client, ok := c.(*redis.Client)
			return ok && client.Options().Addr == "FailoverClient"
		},
		"redis-cluster://127.0.0.1:1": func(c redis.UniversalClient) bool { _, ok := c.(*redis.ClusterClient); return ok },
	}
	for raw, isRight := range tests {
		opts, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		client := New(opts)
		if !isRight(client) {
			t.Errorf("%s gives %T", raw, client)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	zero := New(Options{})
	if client, ok := zero.(*redis.Client); !ok || client.Options().Addr != "localhost:6379" {
		t.Errorf("zero Options give %v", zero)
	}
	_ = zero.Close()
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"redis://:pw@h:1/2?pool_size=3", "rediss://u:p@[::1]:6379", "redis-sentinel://h?master_name=m&addr=a:1",
		"rediss-cluster://h?addr=a:1&read_timeout=5", "redis://:pa#ss@h", "redis://:pa/ss@h", "redis://h?db=x&q", "redis:h",
	} {
		f.Add(seed, "p4ssw0rd!")
	}
	f.Fuzz(func(t *testing.T, raw, password string) {
		opts, err := Parse(raw)
		if err != nil {
			if !errors.Is(err, ErrURL) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		_ = opts.universal()
		if opts.String() == "" {
			t.Error("options without a text")
		}
		// The same URL with an unescaped password must not show it.
		const longEnough = 6
		if len(password) < longEnough || strings.Contains(schemes, password) {
			return
		}
		_, rest, found := strings.Cut(raw, "://")
		if !found {
			return
		}
		_, err = Parse("redis://:" + password + "@" + rest)
		if err != nil && strings.Contains(err.Error(), password) && !isOurText(password) {
			t.Errorf("error shows the password: %v", err)
		}
	})
}

// isOurText says whether a generated password happens to be a piece of the
// fixed texts of Parse.
func isOurText(password string) bool {
	for _, r := range password {
		if !strings.ContainsRune(" abcdefghijklmnopqrstuvwxyz_-,:;/%0123456789URL", r) {
			return false
		}
	}
	return true
}
