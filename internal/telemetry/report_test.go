package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/telemetry"
)

// sentryServer stands for Sentry.
type sentryServer struct {
	*httptest.Server

	mu     sync.Mutex
	bodies []string
}

func startSentry(t *testing.T) *sentryServer {
	t.Helper()
	s := &sentryServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bodies = append(s.bodies, string(body))
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(s.Close)
	return s
}

// dsn is that of a project of the server.
func (s *sentryServer) dsn() string {
	return strings.Replace(s.URL, "://", "://public-key@", 1) + "/42"
}

// reportFrame is a call of a stack as Sentry gets it.
type reportFrame struct {
	Function, Filename string
	Lineno             int
	InApp              bool `json:"in_app"`
}

// report is an event as Sentry gets it.
type report struct {
	Message, Level, Release string
	ServerName              string `json:"server_name"`
	Tags                    map[string]string
	Exception               []struct {
		Type, Value string
		Stacktrace  *struct {
			Frames []reportFrame
		}
	}
	Modules                 map[string]string
	Request, User, Contexts any
}

// reports are the events of all envelopes.
func (s *sentryServer) reports(t *testing.T) []report {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []report
	for _, body := range s.bodies {
		for line := range strings.SplitSeq(body, "\n") {
			if !strings.Contains(line, `"platform"`) {
				continue
			}
			var r report
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			all = append(all, r)
		}
	}
	return all
}

func newReported(t *testing.T, dsn string, out io.Writer, format string) (zerolog.Logger, *telemetry.Reporter) {
	t.Helper()
	reporter, err := telemetry.NewReporter(dsn, telemetry.Build{Process: "worker", Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	log, err := telemetry.NewLogger(telemetry.LogOptions{Level: "info", Format: format, Process: "worker", Writer: out, Reporter: reporter})
	if err != nil {
		t.Fatal(err)
	}
	return log, reporter
}

// Lines of level error are reported, and written as before.
func TestErrorsAreReported(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			server := startSentry(t)
			var out bytes.Buffer
			log, reporter := newReported(t, server.dsn(), &out, format)
			log.Info().Msg("started")
			log.Warn().Err(errors.New("dial")).Msg("close failed")
			log.Error().Err(errors.New("post https://user:pass@e.com/a?token=t1: +12065551212 refused")).Str("message_id", "msg_1").Int("attempt", 2).
				Msg("outcome cannot be recorded")
			reporter.Stop(t.Context())
			got := server.reports(t)
			if len(got) != 1 {
				t.Fatalf("%d reports: %+v", len(got), got)
			}
			r := got[0]
			if r.Message != "outcome cannot be recorded" || r.Level != "error" || r.Release != "mmsdispatch@v1.2.3" || r.ServerName != "worker" ||
				r.Tags["message_id"] != "msg_1" || r.Tags["attempt"] != "2" || r.Tags["process"] != "worker" {
				t.Errorf("%+v", r)
			}
			if len(r.Exception) != 1 || r.Exception[0].Value != "post https://[redacted]@e.com/a?[redacted] [number] refused" {
				t.Errorf("%+v", r.Exception)
			}
			if r.Request != nil || r.User != nil || len(r.Modules) > 0 || r.Contexts != nil {
				t.Errorf("it says more than the line: %+v", r)
			}
			if n := strings.Count(out.String(), "\n"); n != 3 {
				t.Errorf("%d lines:\n%s", n, &out)
			}
		})
	}
}

// The report of a panic has its stack, without the values of arguments.
func TestPanicsAreReported(t *testing.T) {
	t.Parallel()
	server := startSentry(t)
	log, reporter := newReported(t, server.dsn(), io.Discard, "json")
	func() {
		defer func() {
			if recover() != nil {
				log.Error().Str("panic", "runtime.boundsError").Bytes("stack", debug.Stack()).Msg("task panicked")
			}
		}()
		empty := strings.Fields("")
		_ = empty[len(server.URL)]
	}()
	reporter.Stop(t.Context())
	got := server.reports(t)
	if len(got) != 1 || len(got[0].Exception) != 1 || got[0].Exception[0].Stacktrace == nil {
		t.Fatalf("%+v", got)
	}
	failure := got[0].Exception[0]
	if failure.Value != "panic of type runtime.boundsError" || got[0].Tags["stack"] != "" {
		t.Errorf("%+v", failure)
	}
	frames := failure.Stacktrace.Frames
	at := slices.IndexFunc(frames, func(f reportFrame) bool {
		return strings.HasSuffix(f.Function, "TestPanicsAreReported") || strings.Contains(f.Function, "TestPanicsAreReported.func")
	})
	if at < 0 || !frames[at].InApp || !strings.HasSuffix(frames[at].Filename, "report_test.go") || frames[at].Lineno == 0 {
		t.Errorf("frames: %+v", frames)
	}
	for _, f := range frames {
		if strings.Contains(f.Function, "0x") {
			t.Errorf("a frame has arguments: %+v", f)
		}
	}
}

// A fault that repeats itself is not reported each time, and one that cannot be
// reported delays nothing.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	server := startSentry(t)
	log, reporter := newReported(t, server.dsn(), io.Discard, "json")
	for range 5000 {
		log.Error().Msg("again")
	}
	reporter.Stop(t.Context())
	if n := len(server.reports(t)); n == 0 || n > 1000 {
		t.Errorf("%d reports of 5000 lines", n)
	}
	server.Close()
	unreachable, stopped := newReported(t, server.dsn(), io.Discard, "json")
	unreachable.Error().Msg("not received")
	stopped.Stop(t.Context())
}

func TestReporterRefusesOtherURLs(t *testing.T) {
	t.Parallel()
	_, err := telemetry.NewReporter("https://hunter2", telemetry.Build{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err = %v", err)
	}
	var off *telemetry.Reporter
	off.Stop(t.Context())
}
