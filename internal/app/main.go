package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/messagelog"
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

// load reads the configuration. Problems of REDIS_URL and DATABASE_URL, which their
// own packages parse, join the list of all problems.
func load(kind Kind) (*config.Config, error) {
	environ, err := config.OSEnviron()
	if err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	cfg, err := config.Load(kind, environ)
	var problems []config.Problem
	for _, store := range []struct {
		name  string
		parse func(url string) error
	}{
		{"REDIS_URL", func(url string) error { _, err := redisconn.Parse(url); return err }},
		{"DATABASE_URL", messagelog.Parses},
	} {
		url := environ[store.name]
		if url == "" {
			continue
		}
		if wrong := store.parse(url); wrong != nil {
			problems = append(problems, config.Problem{Names: []string{store.name}, Text: "is not usable: " + wrong.Error()})
		}
	}
	if len(problems) == 0 {
		return cfg, err
	}
	if others, ok := errors.AsType[*config.Error](err); ok {
		problems = append(problems, slices.DeleteFunc(others.Problems, func(p config.Problem) bool {
			return slices.ContainsFunc(problems, func(own config.Problem) bool { return slices.Equal(p.Names, own.Names) })
		})...)
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
