package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/telemetry"
)

// panicDSN has the tests' own program panic, as a process whose reports go there.
const panicDSN = "PANIC_DSN"

// TestPanicThatEndsTheProcess: a panic of a part that runs in the background is reported
// with its stack before the process ends, as it would have without a report; its value
// is not in the report.
func TestPanicThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	if dsn := os.Getenv(panicDSN); dsn != "" {
		panicAsProcess(t, dsn)
		return
	}
	var (
		mu     sync.Mutex
		bodies bytes.Buffer
	)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&bodies, r.Body)
	}))
	defer server.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestPanicThatEndsTheProcess$")
	cmd.Env = append(os.Environ(), panicDSN+"="+strings.Replace(server.URL, "://", "://public-key@", 1)+"/42")
	out, err := cmd.CombinedOutput()
	const ofPanic = 2 // exit code of a Go program
	if code, ok := errors.AsType[*exec.ExitError](err); !ok || code.ExitCode() != ofPanic {
		t.Fatalf("it ended with %v\n%s", err, out)
	}
	for _, want := range []string{"panic: call +12065551212", "app.breakDown(", `"panic":"string"`, `"message":"a panic ends the process"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	report := bodies.String()
	for _, want := range []string{`"level":"fatal"`, "a panic ends the process", "panic of type string", "app.breakDown"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in the report:\n%s", want, report)
		}
	}
	if strings.Contains(report, "2065551212") {
		t.Errorf("the value of the panic is in the report:\n%s", report)
	}
}

// panicAsProcess runs a process with a part that panics.
func panicAsProcess(t *testing.T, dsn string) {
	t.Helper()
	reporter, err := telemetry.NewReporter(dsn, telemetry.Build{Process: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	log, err := newLogger(&config.Config{Process: config.Worker, Telemetry: config.Telemetry{LogLevel: "info"}}, reporter, os.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	env := &environment{log: log, reporter: reporter}
	p := newProcess(log, time.Minute)
	p.panicked = env.panicked()
	p.add(part{name: "broken", Service: background.Loop(breakDown)})
	t.Errorf("the process has ended: %v", p.run(t.Context()))
}

func breakDown(context.Context) { panic("call +12065551212") }

// TestPanicsWithoutReports: where nothing is reported, a panic is left alone.
func TestPanicsWithoutReports(t *testing.T) {
	t.Parallel()
	if (&environment{}).panicked() != nil {
		t.Error("panics are handled")
	}
}
