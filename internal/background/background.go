// Package background is the contract of everything that runs beside its caller:
// it is started once and stopped once, whoever asks and how often.
package background

import (
	"context"
	"errors"
	"sync"
)

// Service runs in the background. Its methods may be called at any time, in any
// order and concurrently; Start and Stop wait for each other.
type Service interface {
	// Start returns when the service runs, or with an error when nothing of it
	// does. ctx bounds the start; the service runs until Stop. A service that
	// runs already is left alone, one that was stopped answers ErrStopped.
	Start(ctx context.Context) error
	// Stop returns when the service has ended. When ctx ends first, the service
	// gives up its work in progress. A service that was never started only
	// starts no more.
	Stop(ctx context.Context)
	// Started is closed once Start has succeeded.
	Started() <-chan struct{}
}

// ErrStopped is the answer to a Start after Stop: a service has one life.
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

// New makes a Service of two functions. start is called again only after it has
// failed, and stop once, after a start that succeeded.
func New(start func(ctx context.Context) error, stop func(ctx context.Context)) Service {
	return &service{startFunc: start, stopFunc: stop, started: make(chan struct{})}
}

// AtStop makes a Service that works only at its Stop.
func AtStop(stop func(ctx context.Context)) Service {
	return New(func(context.Context) error { return nil }, stop)
}

// Loop makes a Service of functions that run side by side, each on a goroutine of
// its own, until their context ends at Stop. It has the values of Start's.
func Loop(runs ...func(ctx context.Context)) Service {
	var (
		loops sync.WaitGroup
		end   context.CancelFunc
	)
	return New(
		func(ctx context.Context) error {
			ctx, end = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // called at Stop
			for _, run := range runs {
				loops.Go(func() { run(ctx) })
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
