// Package backgroundtest checks that a service fulfils the contract of package
// background.
package backgroundtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"mmsdispatch/internal/background"
)

const (
	rounds  = 10 // of concurrent calls, each with a new service
	callers = 4  // of Start and as many of Stop in one round
)

// Check tests services created by newService, which must be able to start. The
// caller's TestMain finds leaked goroutines with goleak.
func Check(t *testing.T, newService func(t *testing.T) background.Service) {
	t.Helper()
	t.Run("runs from start to stop", func(t *testing.T) { checkLife(t, newService(t)) })
	t.Run("starts no more after a stop", func(t *testing.T) { checkStopFirst(t, newService(t)) })
	t.Run("stops after its time is up", func(t *testing.T) { checkLateStop(t, newService(t)) })
	t.Run("is started and stopped concurrently", func(t *testing.T) {
		for range rounds {
			checkConcurrent(t, newService(t))
		}
	})
}

func checkLife(t *testing.T, s background.Service) {
	t.Helper()
	if isClosed(s.Started()) {
		t.Error("started before Start")
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		if err := s.Start(ctx); err != nil {
			t.Fatalf("start: %v", err)
		}
		if !isClosed(s.Started()) {
			t.Error("not started after Start")
		}
	}
	cancel()
	for range 2 {
		s.Stop(t.Context())
		if err := s.Start(t.Context()); !errors.Is(err, background.ErrStopped) {
			t.Errorf("start after the stop: %v", err)
		}
	}
}

func checkStopFirst(t *testing.T, s background.Service) {
	t.Helper()
	s.Stop(t.Context())
	if err := s.Start(t.Context()); !errors.Is(err, background.ErrStopped) {
		t.Errorf("start after the stop: %v", err)
	}
	if isClosed(s.Started()) {
		t.Error("started, although stopped before")
	}
	s.Stop(t.Context())
}

func checkLateStop(t *testing.T, s background.Service) {
	t.Helper()
	if err := s.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Stop(ctx)
}

// checkConcurrent lets Start and Stop race: whichever comes first, the service
// ends stopped, and it has started exactly when a Start succeeded.
func checkConcurrent(t *testing.T, s background.Service) {
	t.Helper()
	var all sync.WaitGroup
	begin, answers := make(chan struct{}), make(chan error, callers)
	for range callers {
		all.Go(func() { <-begin; answers <- s.Start(t.Context()) })
		all.Go(func() { <-begin; s.Stop(t.Context()) })
	}
	close(begin)
	all.Wait()
	close(answers)
	succeeded := false
	for err := range answers {
		succeeded = succeeded || err == nil
		if err != nil && !errors.Is(err, background.ErrStopped) {
			t.Errorf("concurrent start: %v", err)
		}
	}
	if isClosed(s.Started()) != succeeded {
		t.Errorf("a start succeeded: %t, started: %t", succeeded, !succeeded)
	}
	if err := s.Start(t.Context()); !errors.Is(err, background.ErrStopped) {
		t.Errorf("start after the stop: %v", err)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
