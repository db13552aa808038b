// Package app builds the object graph of each process, starts its parts in
// order and stops them in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
)

// part is a service that runs for as long as the process does.
type part struct {
	background.Service

	name string
}

// process is a list of parts that start and stop together.
type process struct {
	log      zerolog.Logger
	parts    []part
	failed   chan error    // error of a failed background part
	shutdown time.Duration // for all parts together
	panicked background.PanicFunc
}

func newProcess(log zerolog.Logger, shutdown time.Duration) *process {
	return &process{log: log, failed: make(chan error, 1), shutdown: shutdown}
}

func (p *process) add(parts ...part) { p.parts = append(p.parts, parts...) }

// fail ends the process because a part has failed.
func (p *process) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// run starts the parts, waits for ctx to end or a part to fail, and stops them.
func (p *process) run(ctx context.Context) error {
	if p.panicked != nil {
		ctx = background.WithPanics(ctx, p.panicked)
		defer background.ReportPanic(ctx)
	}
	err := p.start(ctx)
	if err == nil {
		p.log.Info().Msg("started")
		select {
		case <-ctx.Done():
		case err = <-p.failed:
		}
	}
	p.stop()
	return err
}

func (p *process) start(ctx context.Context) error {
	for _, part := range p.parts {
		if err := part.Start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", part.name, err)
		}
	}
	return nil
}

// stop skips parts that were not started.
func (p *process) stop() {
	p.log.Info().Msg("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), p.shutdown)
	defer cancel()
	for _, part := range slices.Backward(p.parts) {
		part.Stop(ctx)
	}
	p.log.Info().Msg("stopped")
}

// untilSignal ends the context at the first SIGTERM or SIGINT. The second one has
// its default effect and ends the process at once.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// closer is a part that only has to be closed.
func closer(name string, log zerolog.Logger, closeFunc func() error) part {
	return part{name: name, Service: background.AtStop(func(context.Context) {
		if err := closeFunc(); err != nil && !errors.Is(err, os.ErrClosed) {
			log.Warn().Err(err).Str("part", name).Msg("close failed")
		}
	})}
}
