package telemetry

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// LogOptions configure a logger.
type LogOptions struct {
	Level   string    // trace, debug, info, warn or error
	Format  string    // console, or JSON for anything else
	Process string    // in every line
	Writer  io.Writer // destination of the lines
	// Reporter reports the lines of level error; nil: they are only written.
	Reporter *Reporter
}

// NewLogger returns the logger of a process.
func NewLogger(opts LogOptions) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(opts.Level)
	if err != nil {
		return zerolog.Logger{}, fmt.Errorf("log level: %w", err)
	}

	out := opts.Writer
	if opts.Format == "console" {
		out = zerolog.ConsoleWriter{Out: opts.Writer, TimeFormat: "15:04:05.000", TimeLocation: time.UTC, NoColor: !isTerminal(opts.Writer)}
	}

	if opts.Reporter != nil {
		out = opts.Reporter.Tee(out)
	}
	return zerolog.New(out).Level(level).Hook(clock{}).With().Str("process", opts.Process).Logger(), nil
}

// clock adds the time. zerolog's own timestamp has a global format of whole
// seconds.
type clock struct{}

func (clock) Run(event *zerolog.Event, _ zerolog.Level, _ string) {
	event.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
