package telemetry

import (
	"context"
	"fmt"
	stdlog "log"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// While Redis is down, libraries repeat themselves with every connection; these
// bounds limit the lines.
const (
	libraryBurst  = 10
	libraryPeriod = 10 * time.Second
)

// RedisLogger receives the log lines of go-redis; it is for redis.SetLogger.
type RedisLogger struct {
	log     zerolog.Logger
	quiet   func() bool
	metrics *RedisMetrics
}

// NewRedisLogger returns the logger for go-redis. Every line is counted; few in a
// row are written, and at level debug while quiet returns true, that is while
// Redis is known to be down.
func NewRedisLogger(log zerolog.Logger, metrics *RedisMetrics, quiet func() bool) *RedisLogger {
	return &RedisLogger{log: libraryLog(log, "redis"), metrics: metrics, quiet: quiet}
}

// Printf writes one line.
func (l *RedisLogger) Printf(_ context.Context, format string, args ...any) {
	l.metrics.logged()
	level := zerolog.WarnLevel
	if l.quiet() {
		level = zerolog.DebugLevel
	}
	if event := l.log.WithLevel(level); event.Enabled() {
		event.Msg(Scrub(strings.TrimSpace(fmt.Sprintf(format, args...))))
	}
}

// AsynqLogger receives the log lines of asynq; it is an asynq.Logger.
type AsynqLogger struct {
	log   zerolog.Logger
	quiet func() bool
}

// NewAsynqLogger returns the logger for asynq. Its lines have level debug while
// quiet returns true, that is while Redis is known to be down.
func NewAsynqLogger(log zerolog.Logger, quiet func() bool) *AsynqLogger {
	return &AsynqLogger{log: libraryLog(log, "asynq"), quiet: quiet}
}

// Debug writes a line.
func (l *AsynqLogger) Debug(args ...any) { l.write(zerolog.DebugLevel, args) }

// Info writes a line of level debug: a worker has many servers of asynq, each of
// which logs its start and stop in several lines, and the worker's own lines
// report them once.
func (l *AsynqLogger) Info(args ...any) { l.write(zerolog.DebugLevel, args) }

// Warn writes a line.
func (l *AsynqLogger) Warn(args ...any) { l.write(zerolog.WarnLevel, args) }

// Error writes a line.
func (l *AsynqLogger) Error(args ...any) { l.write(zerolog.ErrorLevel, args) }

// Fatal writes a line and returns, unlike asynq's contract: a library must not
// end the process without finishing its calls.
func (l *AsynqLogger) Fatal(args ...any) { l.write(zerolog.ErrorLevel, args) }

func (l *AsynqLogger) write(level zerolog.Level, args []any) {
	if l.quiet() {
		level = zerolog.DebugLevel
	}
	if event := l.log.WithLevel(level); event.Enabled() {
		event.Msg(Scrub(strings.TrimSpace(fmt.Sprint(args...))))
	}
}

func libraryLog(log zerolog.Logger, library string) zerolog.Logger {
	sampler := &zerolog.BurstSampler{Burst: libraryBurst, Period: libraryPeriod}
	return log.Sample(sampler).With().Str("library", library).Logger()
}

// NewStdLogger returns a logger for libraries that need one of package log, such
// as net/http.
func NewStdLogger(log zerolog.Logger, library string) *stdlog.Logger {
	return stdlog.New(lineWriter{libraryLog(log, library)}, "", 0)
}

// lineWriter writes each line as a warning.
type lineWriter struct{ log zerolog.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.log.Warn().Msg(Scrub(strings.TrimSpace(string(line))))
	return len(line), nil
}
