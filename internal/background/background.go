// Package background is the contract of background services: each is started once
// and stopped once, however often Start and Stop are called.
package background

import (
	"context"
	"errors"
	"sync"
)

// Service runs in the background. Its methods may be called at any time, in any
// order and concurrently; Start and Stop wait for each other.
type Service interface {
	// Start returns when the service runs, or with an error when no part of it does.
	// ctx bounds the start; the service runs until Stop. On a running service it has
	// no effect, on a stopped one it returns ErrStopped.
	Start(ctx context.Context) error
	// Stop returns when the service has ended. When ctx ends first, the service
	// abandons its work in progress. A service that was never started can no longer
	// be started.
	Stop(ctx context.Context)
	// Started is closed once Start has succeeded.
	Started() <-chan struct{}
}

// ErrStopped is returned by a Start after Stop: a service cannot be restarted.
var ErrStopped = errors.New("the service has been stopped")

type state int

const (
	idle state = iota
	running
	stopped
)

type service struct {
	startFunc func(ctx context.Context) error
	stopFunc  func(ctx context.Context)
	started   chan struct{}

	mu    sync.Mutex
	state state
}

// New returns a Service of two functions. start is called again only after it has
// failed, and stop once, after a start that succeeded.
func New(start func(ctx context.Context) error, stop func(ctx context.Context)) Service {
	return &service{startFunc: start, stopFunc: stop, started: make(chan struct{})}
}

// AtStop returns a Service that works only at its Stop.
func AtStop(stop func(ctx context.Context)) Service {
	return New(func(context.Context) error { return nil }, stop)
}

// Loop returns a Service of functions that run concurrently, each in its own
// goroutine, until their context ends at Stop. The context has the values of that
// of Start; a panic of a function goes to that of WithPanics before it ends the process.
func Loop(runs ...func(ctx context.Context)) Service {
	var (
		loops sync.WaitGroup
		end   context.CancelFunc
	)
	return New(
		func(ctx context.Context) error {
			ctx, end = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // called at Stop
			for _, run := range runs {
				loops.Go(func() {
					defer ReportPanic(ctx)
					run(ctx)
				})
			}
			return nil
		},
		func(context.Context) {
			end()
			loops.Wait()
		},
	)
}

// Start implements Service.
func (s *service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case running:
		return nil
	case stopped:
		return ErrStopped
	case idle:
	}
	if err := s.startFunc(ctx); err != nil {
		return err
	}
	s.state = running
	close(s.started)
	return nil
}

// Stop implements Service.
func (s *service) Stop(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == running {
		s.stopFunc(ctx)
	}
	s.state = stopped
}

// Started implements Service.
func (s *service) Started() <-chan struct{} { return s.started }
