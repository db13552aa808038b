package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/redisconn"
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

// Main runs a process from its arguments and environment until a signal stops it,
// and returns its exit code.
func Main(kind Kind) int {
	if code, done := answerArguments(kind, os.Args[1:], os.Stdout, os.Stderr); done {
		return code
	}
	cfg, err := load(kind)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitConfig
	}
	tuneMemory(kind)
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailure
	}
	return exitOK
}

// load reads the configuration. Problems of REDIS_URL, which package redisconn
// parses, join the list of all problems.
func load(kind Kind) (*config.Config, error) {
	environ, err := config.OSEnviron()
	if err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	cfg, err := config.Load(kind, environ)
	url := environ["REDIS_URL"]
	if url == "" {
		return cfg, err
	}
	_, wrong := redisconn.Parse(url)
	if wrong == nil {
		return cfg, err
	}
	problems := []config.Problem{{Names: []string{"REDIS_URL"}, Text: "is not usable: " + wrong.Error()}}
	if others, ok := errors.AsType[*config.Error](err); ok {
		rest := slices.DeleteFunc(others.Problems, func(p config.Problem) bool { return slices.Equal(p.Names, problems[0].Names) })
		problems = append(problems, rest...)
	}
	return nil, &config.Error{Problems: problems}
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
