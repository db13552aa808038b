package admin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"mmsdispatch/internal/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is a listener that runs, and a client of its own.
type bundle struct {
	server *admin.Server
	client *http.Client
	failed chan error // yields what the server reports of itself
}

func setup(t *testing.T, change func(*admin.Options)) *bundle {
	t.Helper()

	registry := prometheus.NewRegistry()
	answer := prometheus.NewGauge(prometheus.GaugeOpts{Name: "answer", Help: "The answer."})
	answer.Set(42)
	registry.MustRegister(answer)

	failed := make(chan error, 1)
	opts := admin.Options{
		Failed:  func(err error) { failed <- err },
		Addr:    "127.0.0.1:0",
		Log:     zerolog.Nop(),
		Metrics: registry,
		Ready:   admin.NewReadiness(zerolog.Nop(), nil),
		Queues: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "queues at "+r.URL.Path)
		}),
	}
	if change != nil {
		change(&opts)
	}

	b := &bundle{failed: failed, server: admin.New(opts), client: &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := b.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		b.client.CloseIdleConnections()

		if err := b.server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b
}

// get requests a path; change is applied to the request before it is sent.
func (b *bundle) get(tb testing.TB, path string, change func(*http.Request)) (*http.Response, string) {
	tb.Helper()

	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+b.server.Addr().String()+path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}

	if change != nil {
		change(request)
	}

	answer, err := b.client.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()

	body, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer, string(body)
}

func TestRoutes(t *testing.T) {
	t.Parallel()

	b := setup(t, nil)

	for _, test := range []struct {
		path, contains string
		status         int
	}{
		{"/livez", `{"status":"UP"}`, http.StatusOK},
		{"/readyz", `{"status":"UP","down":[],"warnings":[]}`, http.StatusOK},
		{"/metrics", "\nanswer 42\n", http.StatusOK},
		{"/queues/", "queues at /queues/", http.StatusOK},
		{"/queues/queues/high", "queues at /queues/queues/high", http.StatusOK},
		{"/queues", "", http.StatusTemporaryRedirect},
		{"/debug/pprof/", "goroutine", http.StatusOK},
		{"/debug/pprof/goroutine?debug=1", "goroutine profile", http.StatusOK},
		{"/debug/pprof/heap", "", http.StatusOK},
		{"/debug/pprof/cmdline", "admin.test", http.StatusOK},
		{"/debug/pprof/profile?seconds=1", "", http.StatusOK},
		{"/debug/pprof/trace?seconds=0.01", "", http.StatusOK},
		{"/debug/pprof/symbol", "num_symbols", http.StatusOK},
		{"/", `href="/queues/"`, http.StatusOK},
		{"/nothing", "404", http.StatusNotFound},
		{"/v1/messages", "404", http.StatusNotFound},
	} {
		answer, body := b.get(t, test.path, nil)
		if answer.StatusCode != test.status || !strings.Contains(body, test.contains) {
			t.Errorf("%s: %d %.200q", test.path, answer.StatusCode, body)
		}

		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", test.path, name, got)
			}
		}

		if !strings.HasPrefix(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: policy %q", test.path, answer.Header.Get("Content-Security-Policy"))
		}
	}

	if answer, _ := b.get(t, "/queues", nil); answer.Header.Get("Location") != "/queues/" {
		t.Errorf("/queues leads to %q", answer.Header.Get("Location"))
	}
}

func TestWithoutQueues(t *testing.T) {
	t.Parallel()

	b := setup(t, func(opts *admin.Options) { opts.Queues = nil })
	if answer, _ := b.get(t, "/queues/", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("/queues/: %d", answer.StatusCode)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()

	b := setup(t, func(opts *admin.Options) { opts.User, opts.Password = "ops", "hunter2" })

	tests := map[string]struct {
		user, password string
		status         int
	}{
		"right":          {"ops", "hunter2", http.StatusOK},
		"wrong password": {"ops", "hunter3", http.StatusUnauthorized},
		"wrong user":     {"op", "hunter2", http.StatusUnauthorized},
		"longer":         {"ops", "hunter22", http.StatusUnauthorized},
		"empty":          {"", "", http.StatusUnauthorized},
	}

	for name, test := range tests {
		for _, path := range []string{"/", "/metrics", "/queues/", "/debug/pprof/"} {
			answer, body := b.get(t, path, func(r *http.Request) { r.SetBasicAuth(test.user, test.password) })
			if answer.StatusCode != test.status {
				t.Errorf("%s: %s: %d", name, path, answer.StatusCode)
			}

			if test.status == http.StatusUnauthorized &&
				(!strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic ") || strings.Contains(body, "answer")) {
				t.Errorf("%s: %s: %v %s", name, path, answer.Header, body)
			}
		}
	}

	for path, want := range map[string]int{
		"/livez": http.StatusOK, "/readyz": http.StatusOK, "/metrics": http.StatusUnauthorized, "/nothing": http.StatusUnauthorized,
	} {
		if answer, _ := b.get(t, path, nil); answer.StatusCode != want {
			t.Errorf("%s without credentials: %d, want %d", path, answer.StatusCode, want)
		}
	}
}

// A page that lets its own name resolve to 127.0.0.1 gets nothing.
func TestOnlyLocalNamesWithoutCredentials(t *testing.T) {
	t.Parallel()

	b := setup(t, nil)
	withHost := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }

	for host, want := range map[string]int{
		"localhost": http.StatusOK, "localhost:9090": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:9090": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "evil.example:9090": http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example": http.StatusMisdirectedRequest, "10.0.0.1": http.StatusMisdirectedRequest,
	} {
		if answer, _ := b.get(t, "/metrics", withHost(host)); answer.StatusCode != want {
			t.Errorf("host %s: %d, want %d", host, answer.StatusCode, want)
		}
	}

	if answer, _ := b.get(t, "/livez", withHost("worker-1.internal")); answer.StatusCode != http.StatusOK {
		t.Errorf("a probe: %d", answer.StatusCode)
	}

	guarded := setup(t, func(opts *admin.Options) { opts.User, opts.Password = "u", "p" })

	answer, _ := guarded.get(t, "/metrics", func(r *http.Request) {
		r.Host = "worker-1.internal"
		r.SetBasicAuth("u", "p")
	})
	if answer.StatusCode != http.StatusOK {
		t.Errorf("with credentials: %d", answer.StatusCode)
	}
}

func TestExposedListenerIsRefused(t *testing.T) {
	t.Parallel()

	opts := admin.Options{Addr: "0.0.0.0:0", Metrics: prometheus.NewRegistry(), Ready: admin.NewReadiness(zerolog.Nop(), nil)}

	exposed := admin.New(opts)
	if err := exposed.Start(t.Context()); !errors.Is(err, admin.ErrExposed) {
		t.Errorf("error %v", err)
	}

	if err := exposed.Stop(t.Context()); err != nil {
		t.Errorf("stop without start: %v", err)
	}

	opts.User, opts.Password = "u", "p"

	guarded := admin.New(opts)
	if err := guarded.Start(t.Context()); err != nil {
		t.Error(err)
	}

	if err := guarded.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()

	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	server := admin.New(admin.Options{Addr: taken.Addr().String(), Metrics: prometheus.NewRegistry(), Ready: admin.NewReadiness(zerolog.Nop(), nil)})
	if err := server.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "admin listener") {
		t.Errorf("error %v", err)
	}
}

// Stop waits for a request under way, and cuts it off when its time is over.
func TestStop(t *testing.T) {
	t.Parallel()

	for name, patient := range map[string]bool{"patient": true, "impatient": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			begun, letGo := make(chan struct{}), make(chan struct{})
			b := setup(t, func(opts *admin.Options) {
				opts.Queues = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(begun)

					select {
					case <-letGo:
						w.WriteHeader(http.StatusTeapot)
					case <-r.Context().Done():
					}
				})
			})

			statuses := make(chan int, 1)

			go func() {
				defer close(statuses)

				request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+b.server.Addr().String()+"/queues/", http.NoBody)
				if err != nil {
					return
				}

				if answer, err := b.client.Do(request); err == nil {
					statuses <- answer.StatusCode
					_ = answer.Body.Close()
				}
			}()

			<-begun

			if !patient {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()

				if err := b.server.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}

				if status, answered := <-statuses; answered {
					t.Errorf("answered %d", status)
				}
				return
			}

			stopped := make(chan error, 1)

			go func() { stopped <- b.server.Stop(context.Background()) }()

			close(letGo)

			if err := <-stopped; err != nil {
				t.Error(err)
			}

			if status := <-statuses; status != http.StatusTeapot {
				t.Errorf("answered %d", status)
			}

			select {
			case err := <-b.failed:
				t.Errorf("a stop is no failure: %v", err)
			default:
			}
		})
	}
}

func TestBrokenListenerIsReported(t *testing.T) {
	t.Parallel()

	b := setup(t, nil)
	if err := b.server.BreakListener(); err != nil {
		t.Fatal(err)
	}

	if err := <-b.failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("reported %v", err)
	}
}
