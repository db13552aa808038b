package admin_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/admin"
)

func fine(context.Context) error { return nil }

func broken(context.Context) error {
	return errors.New("dial redis://:hunter2@10.0.0.1:6379: refused")
}

func ask(tb testing.TB, ready *admin.Readiness) (int, string) {
	tb.Helper()

	answer := httptest.NewRecorder()
	ready.ServeHTTP(answer, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/readyz", nil))
	return answer.Code, strings.TrimSpace(answer.Body.String())
}

func TestReadiness(t *testing.T) {
	t.Parallel()

	warnings := func() []string { return []string{"maxmemory-policy evicts"} }

	tests := map[string]struct {
		ready  *admin.Readiness
		status int
		body   string
	}{
		"nothing needed": {admin.NewReadiness(zerolog.Nop(), nil), http.StatusOK, `{"status":"UP","down":[],"warnings":[]}`},
		"all there":      {admin.NewReadiness(zerolog.Nop(), nil, admin.Check{Name: "redis", Func: fine}), http.StatusOK, `{"status":"UP","down":[],"warnings":[]}`},
		"warned":         {admin.NewReadiness(zerolog.Nop(), warnings, admin.Check{Name: "redis", Func: fine}), http.StatusOK, `{"status":"UP","down":[],"warnings":["maxmemory-policy evicts"]}`},
		"one down": {
			admin.NewReadiness(zerolog.Nop(), warnings, admin.Check{Name: "redis", Func: broken}, admin.Check{Name: "keys", Func: fine}),
			http.StatusServiceUnavailable, `{"status":"DOWN","down":["redis"],"warnings":["maxmemory-policy evicts"]}`,
		},
		"all down": {
			admin.NewReadiness(zerolog.Nop(), nil, admin.Check{Name: "redis", Func: broken}, admin.Check{Name: "keys", Func: broken}),
			http.StatusServiceUnavailable, `{"status":"DOWN","down":["redis","keys"],"warnings":[]}`,
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if status, body := ask(t, test.ready); status != test.status || body != test.body {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestReadinessStopping(t *testing.T) {
	t.Parallel()

	ready := admin.NewReadiness(zerolog.Nop(), nil, admin.Check{Name: "redis", Func: fine})
	ready.Stopping()

	if status, body := ask(t, ready); status != http.StatusServiceUnavailable || !strings.Contains(body, `"down":["stopping"]`) {
		t.Errorf("%d %s", status, body)
	}
}

// A check that hangs, even without regard to its context, is down after a
// bounded time and does not make the others look down.
func TestReadinessIsBounded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		hangs := func(context.Context) error {
			<-letGo
			return nil
		}

		ready := admin.NewReadiness(zerolog.Nop(), nil, admin.Check{Name: "postgres", Func: hangs}, admin.Check{Name: "redis", Func: fine}, admin.Check{Name: "keys", Func: fine})
		begun := time.Now()

		if status, body := ask(t, ready); status != http.StatusServiceUnavailable || !strings.Contains(body, `"down":["postgres"]`) {
			t.Errorf("%d %s", status, body)
		}

		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("took %s", took)
		}

		close(letGo)
	})
}

func TestReadinessIgnoresImpatientProbes(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	ready := admin.NewReadiness(zerolog.Nop(), nil, admin.Check{Name: "redis", Func: func(ctx context.Context) error { return ctx.Err() }})
	if down := ready.Down(ctx); len(down) != 0 {
		t.Errorf("down: %v", down)
	}
}

func TestReadinessLogsChangesOnly(t *testing.T) {
	t.Parallel()

	var (
		out bytes.Buffer
		err error
	)

	ready := admin.NewReadiness(zerolog.New(&out), nil, admin.Check{Name: "redis", Func: func(context.Context) error { return err }})

	for _, state := range []error{
		broken(t.Context()), broken(t.Context()), nil, nil, broken(t.Context()), broken(t.Context()), nil, nil,
	} {
		err = state
		ready.Down(t.Context())
	}

	down := `{"level":"warn","down":["redis"],"error":"dial redis://[redacted]@10.0.0.1:6379: refused","message":"not ready"}` + "\n"
	want := down + `{"level":"info","message":"ready"}` + "\n" + down + `{"level":"info","message":"ready again"}` + "\n"
	if out.String() != want {
		t.Errorf("written:\n%s", out.String())
	}
}
