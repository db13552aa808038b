package app

import (
	"context"
	"fmt"
	"io"
	"os"

	"mmsdispatch/internal/config"
)

// Kind names a process.
type Kind = config.Process

// The processes of production.
const (
	API    Kind = config.API
	Worker Kind = config.Worker
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitConfig  = 2
)

// Main runs a process from its environment until it is told to stop, and
// returns its exit code.
func Main(kind Kind) int {
	cfg, err := config.FromOS(kind)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitConfig
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailure
	}
	return exitOK
}

func run(ctx context.Context, cfg *config.Config, out io.Writer) error {
	build := newAPI
	if cfg.Process == config.Worker {
		build = newWorker
	}
	p, err := build(ctx, cfg, out)
	if err != nil {
		return err
	}
	return p.run(ctx)
}
