package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// The bounds of reports: a fault that repeats a thousand times a second says nothing
// new with each of them, and must not delay the work.
const (
	reportsPerSecond = 1
	reportsBurst     = 20
	// reportFlush bounds the wait for reports under way when the process ends.
	reportFlush = 5 * time.Second
)

// Reporter reports log lines of level error and above to Sentry, those of recovered
// panics among them. It adds nothing that the line does not have: no request, no
// environment, no modules and no name of the host. It is safe for concurrent use.
type Reporter struct {
	client  *sentry.Client
	process string
	limit   *rate.Limiter
}

// errDSN does not quote the DSN, which contains a key.
var errDSN = errors.New("not a DSN of Sentry")

// NewReporter makes a reporter for a process. Sentry need not be reachable.
func NewReporter(dsn string, build Build) (*Reporter, error) {
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn: dsn, Release: "mmsdispatch@" + build.Version, ServerName: build.Process,
		Integrations:         func([]sentry.Integration) []sentry.Integration { return nil },
		DisableClientReports: true,
		MaxBreadcrumbs:       -1,
		DebugWriter:          io.Discard,
	})
	if err != nil {
		return nil, errDSN
	}
	return &Reporter{client: client, process: build.Process, limit: rate.NewLimiter(reportsPerSecond, reportsBurst)}, nil
}

// Flush sends the reports that wait, within ctx and a few seconds. A nil Reporter has
// none.
func (r *Reporter) Flush(ctx context.Context) {
	if r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportFlush)
	defer cancel()
	r.client.FlushWithContext(ctx)
}

// Stop is Flush at the end of the process: there are no reports afterwards.
func (r *Reporter) Stop(ctx context.Context) {
	if r == nil {
		return
	}
	r.Flush(ctx)
	r.client.Close()
}

// Tee writes log lines to out, and reports those of level error and above.
func (r *Reporter) Tee(out io.Writer) zerolog.LevelWriter { return tee{out, r} }

type tee struct {
	io.Writer

	reporter *Reporter
}

// WriteLevel implements zerolog.LevelWriter.
func (t tee) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if level >= zerolog.ErrorLevel && level < zerolog.NoLevel {
		t.reporter.report(level, line)
	}
	return t.Write(line) //nolint:wrapcheck // an io.Writer returns the error of the one below
}

// report sends a line in the background. That of a panic which ends the process is its
// last one, and is not left out.
func (r *Reporter) report(level zerolog.Level, line []byte) {
	if level < zerolog.FatalLevel && !r.limit.Allow() {
		return
	}
	event, err := r.event(level, line)
	if err != nil {
		return // a line of the logger is JSON
	}
	r.client.CaptureEvent(event, nil, nil)
}

// notTags are the fields of a line that are no tags of its report: they have places
// of their own, or a value of their own in each line.
func notTags() []string {
	return []string{
		zerolog.LevelFieldName, zerolog.TimestampFieldName, zerolog.MessageFieldName, zerolog.ErrorFieldName, "stack", "process",
	}
}

// event is the report of a line.
func (r *Reporter) event(level zerolog.Level, line []byte) (*sentry.Event, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("log line: %w", err)
	}
	text := func(name string) string { s, _ := fields[name].(string); return s }
	title := text(zerolog.MessageFieldName)
	event := sentry.NewEvent()
	event.Level, event.Logger, event.Message = sentry.LevelError, "mmsdispatch", Scrub(title)
	if level > zerolog.ErrorLevel {
		event.Level = sentry.LevelFatal
	}
	event.Fingerprint = []string{r.process, title}
	event.Tags = map[string]string{"process": r.process}
	for name, value := range fields {
		if !slices.Contains(notTags(), name) {
			event.Tags[name] = Scrub(fmt.Sprint(value))
		}
	}
	failure := sentry.Exception{Type: Scrub(title), Value: Scrub(text(zerolog.ErrorFieldName))}
	if kind := text("panic"); kind != "" {
		failure.Value = "panic of type " + kind
		event.Fingerprint = append(event.Fingerprint, kind)
	}
	if stack := text("stack"); stack != "" {
		failure.Stacktrace = stacktrace(stack)
	}
	if failure.Value != "" || failure.Stacktrace != nil {
		event.Exception = []sentry.Exception{failure}
	}
	return event, nil
}

// stacktrace reads what runtime/debug.Stack has written: for each call a line with
// the function and a line with the place. The values of the arguments are left out.
func stacktrace(stack string) *sentry.Stacktrace {
	var frames []sentry.Frame
	lines := strings.Split(stack, "\n")
	for i := 1; i+1 < len(lines); i += 2 { // the first line names the goroutine
		place, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
		file, number, ok := strings.Cut(place, ".go:")
		if !ok {
			break
		}
		function := lines[i]
		if end := strings.LastIndexByte(function, '('); end > 0 && !strings.HasPrefix(function, "created by ") {
			function = function[:end]
		}
		n, _ := strconv.Atoi(number)
		frames = append(frames, sentry.Frame{
			Function: function, Filename: file + ".go", Lineno: n, InApp: strings.HasPrefix(function, "mmsdispatch/"),
		})
	}
	slices.Reverse(frames) // Sentry has the latest call last
	return &sentry.Stacktrace{Frames: frames}
}
