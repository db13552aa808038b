package telemetry

import (
	"context"
	"fmt"
	stdlog "log"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// A Redis that is down makes libraries repeat themselves with every
// connection; this much of it is enough.
const (
	libraryBurst  = 10
	libraryPeriod = 10 * time.Second
)

// RedisLogger takes what go-redis wants to log; it is for redis.SetLogger.
type RedisLogger struct {
	log     zerolog.Logger
	quiet   func() bool
	metrics *RedisMetrics
}

// NewRedisLogger makes the logger for go-redis. Every line is counted; only a
// few in a row are written, and at level debug while quiet says so: while Redis is
// known not to answer.
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

// AsynqLogger takes what asynq wants to log; it is an asynq.Logger.
type AsynqLogger struct {
	log   zerolog.Logger
	quiet func() bool
}

// NewAsynqLogger makes the logger for asynq. Its lines have level debug while
// quiet says so: while Redis is known not to answer.
func NewAsynqLogger(log zerolog.Logger, quiet func() bool) *AsynqLogger {
	return &AsynqLogger{log: libraryLog(log, "asynq"), quiet: quiet}
}

// Debug writes a line.
func (l *AsynqLogger) Debug(args ...any) { l.write(zerolog.DebugLevel, args) }

// Info writes a line of level debug: a worker has many servers of asynq, each
// says by several lines that it starts and stops, and the worker's own say it
// once.
func (l *AsynqLogger) Info(args ...any) { l.write(zerolog.DebugLevel, args) }

// Warn writes a line.
func (l *AsynqLogger) Warn(args ...any) { l.write(zerolog.WarnLevel, args) }

// Error writes a line.
func (l *AsynqLogger) Error(args ...any) { l.write(zerolog.ErrorLevel, args) }

// Fatal writes a line and, other than asynq asks for, returns: ending the
// process without finishing its calls is nobody's decision but its own.
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

// NewStdLogger makes a logger for libraries that want one of package log, such
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
