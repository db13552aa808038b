package media

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// counted counts checks by result.
type counted struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counted) Checked(result string, _ time.Duration) { c.add(result) }
func (c *counted) Reused()                                { c.add("reused") }

func (c *counted) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[what]++
}

func (c *counted) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

// checkFunc is a Checker.
type checkFunc func(ctx context.Context, address string) (Info, error)

func (f checkFunc) Check(ctx context.Context, address string) (Info, error) { return f(ctx, address) }

// replica is the checker of one process.
func replica(tb testing.TB, rdb redis.UniversalClient, checker Checker) (*Shared, *counted) {
	tb.Helper()
	metrics := &counted{}
	s := NewShared(SharedOptions{Checker: checker, Redis: rdb, Metrics: metrics, Policy: "test"})
	tb.Cleanup(s.Close)
	return s, metrics
}

// TestManyMessagesOneFetch: for all messages of all processes with a media, its host
// gets one request.
func TestManyMessagesOneFetch(t *testing.T) {
	t.Parallel()
	var requested atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			requested.Add(1)
		}
		serveFile("image/jpeg", file(jpegBytes, 100))(w, r)
	})
	redisServer := redistest.Shared(t)
	rdb := redisServer.Client(t)
	var all sync.WaitGroup
	for range 2 {
		shared, _ := replica(t, rdb, fetcher(t, Options{}))
		for range 50 { // goroutines, with a hundred messages each
			all.Go(func() {
				for range 100 {
					if info, err := shared.Check(t.Context(), server.URL+"/a.jpg"); err != nil || info.Size != 100 {
						t.Errorf("%+v %v", info, err)
					}
				}
			})
		}
	}
	all.Wait()
	if n := requested.Load(); n != 1 {
		t.Errorf("the host got %d requests for 10,000 messages", n)
	}
}

// TestConcurrentChecksWaitForOne: checks wait for a running one, also in another
// process, until their deadline.
func TestConcurrentChecksWaitForOne(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	requested, release := make(chan struct{}), make(chan struct{})
	first, _ := replica(t, rdb, checkFunc(func(context.Context, string) (Info, error) {
		close(requested)
		<-release
		return Info{Type: "image/gif", Size: 7}, nil
	}))
	second, metrics := replica(t, rdb, checkFunc(func(context.Context, string) (Info, error) {
		t.Error("the second check calls the host, too")
		return Info{}, nil
	}))
	var all sync.WaitGroup
	want := func(s *Shared) {
		if info, err := s.Check(t.Context(), "http://a"); err != nil || info.Type != "image/gif" || info.Size != 7 {
			t.Errorf("%+v, %v", info, err)
		}
	}
	all.Go(func() { want(first) })
	<-requested
	hasty, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := second.Check(hasty, "http://a"); !errors.Is(err, ErrNotChecked) {
		t.Errorf("a caller without time gets %v", err)
	}
	all.Go(func() { want(second) })
	close(release)
	all.Wait()
	want(second)
	if metrics.of("reused") == 0 {
		t.Error("not counted")
	}
}

func TestVerdictsAreKept(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		info   Info
		err    error
		kept   time.Duration
		result string
	}{
		"good":      {Info{Type: "image/png", Size: 5}, nil, KeptGood, "ok"},
		"bad":       {Info{}, &Error{Code: CodeMismatch}, KeptBad, "media_mismatch"},
		"temporary": {Info{}, &Error{Code: CodeHostError}, KeptTemporary, "media_host_error"},
		"no verdict": {
			Info{}, context.Canceled, 0, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Shared(t).Client(t)
			var checks atomic.Int64
			s, metrics := replica(t, rdb, checkFunc(func(context.Context, string) (Info, error) {
				checks.Add(1)
				return tt.info, tt.err
			}))
			for range 2 {
				info, err := s.Check(t.Context(), "https://host.example.com/a.png?"+private)
				if info != tt.info || (err == nil) != (tt.err == nil) || (err != nil && err.Error() != tt.err.Error()) {
					t.Errorf("got %+v, %v", info, err)
				}
			}
			keys := rdb.Keys(t.Context(), "*").Val()
			if tt.kept == 0 {
				if len(keys) != 0 || checks.Load() != 2 {
					t.Errorf("%v, %d checks", keys, checks.Load())
				}
				return
			}
			if checks.Load() != 1 || metrics.of(tt.result) != 1 || metrics.of("reused") != 1 {
				t.Errorf("%d checks, counted %v", checks.Load(), metrics.counts)
			}
			if len(keys) != 1 || !strings.HasPrefix(keys[0], DefaultPrefix) || strings.Contains(keys[0], "host") {
				t.Fatalf("keys %v", keys)
			}
			if value := rdb.Get(t.Context(), keys[0]).Val(); strings.Contains(value, "example") {
				t.Errorf("kept %s", value)
			}
			if ttl := rdb.PTTL(t.Context(), keys[0]).Val(); ttl <= 0 || ttl > tt.kept || ttl < tt.kept-time.Minute {
				t.Errorf("kept for %s", ttl)
			}
		})
	}
}

// TestPolicyIsPartOfTheVerdict: a media that was too large for earlier settings may fit
// the current ones.
func TestPolicyIsPartOfTheVerdict(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	checks := 0
	for _, policy := range []string{"1", "2"} {
		s := NewShared(SharedOptions{Redis: rdb, Metrics: &counted{}, Policy: policy, Checker: checkFunc(func(context.Context, string) (Info, error) {
			checks++
			return Info{}, nil
		})})
		t.Cleanup(s.Close)
		if _, err := s.Check(t.Context(), "http://a"); err != nil {
			t.Error(err)
		}
	}
	if checks != 2 {
		t.Errorf("%d checks", checks)
	}
}

func TestUnreadableVerdictIsNone(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "{", `{"code":"media_of_tomorrow"}`} {
		rdb := redistest.Shared(t).Client(t)
		s, _ := replica(t, rdb, checkFunc(func(context.Context, string) (Info, error) { return Info{Size: 3}, nil }))
		if err := rdb.Set(t.Context(), s.key("http://a"), value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if info, err := s.Check(t.Context(), "http://a"); err != nil || info.Size != 3 {
			t.Errorf("%q: %+v, %v", value, info, err)
		}
	}
}

func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	server.Stop()
	s, _ := replica(t, rdb, checkFunc(func(_ context.Context, address string) (Info, error) {
		if address == "http://bad" {
			return Info{}, &Error{Code: CodeType}
		}
		return Info{Size: 3}, nil
	}))
	verdicts := s.CheckAll(t.Context(), []string{"http://good", "http://bad"})
	if verdicts[0].Err != nil || verdicts[0].Info.Size != 3 {
		t.Errorf("%+v", verdicts[0])
	}
	if bad, ok := errors.AsType[*Error](verdicts[1].Err); !ok || bad.Code != CodeType {
		t.Errorf("%+v", verdicts[1])
	}
}

// TestLockOfADeadProcessExpires: the others wait no longer than its TTL.
func TestLockOfADeadProcessExpires(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	s, _ := replica(t, rdb, checkFunc(func(context.Context, string) (Info, error) { return Info{Size: 3}, nil }))
	if err := rdb.Set(t.Context(), s.key("http://a")+":lock", "another process", 200*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Check(t.Context(), "http://a"); err != nil || info.Size != 3 {
		t.Errorf("%+v, %v", info, err)
	}
}
