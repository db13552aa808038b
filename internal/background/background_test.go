package background_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/background/backgroundtest"
)

func untilEnd(ctx context.Context) { <-ctx.Done() }

func TestContract(t *testing.T) {
	t.Parallel()
	for name, newService := range map[string]func() background.Service{
		"loop": func() background.Service { return background.Loop(untilEnd) },
		"loops": func() background.Service {
			return background.Loop(untilEnd, func(ctx context.Context) { untilEnd(ctx) })
		},
		"loop that returns": func() background.Service { return background.Loop(func(context.Context) {}) },
		"at stop":           func() background.Service { return background.AtStop(func(context.Context) {}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backgroundtest.Check(t, func(*testing.T) background.Service { return newService() })
		})
	}
}

// TestStartAndStopOnce counts the calls of both functions, however often and
// concurrently a service is started and stopped.
func TestStartAndStopOnce(t *testing.T) {
	t.Parallel()
	backgroundtest.Check(t, func(t *testing.T) background.Service {
		t.Helper()
		var starts, stops atomic.Int32
		t.Cleanup(func() {
			if starts.Load() > 1 || stops.Load() != starts.Load() {
				t.Errorf("%d starts, %d stops", starts.Load(), stops.Load())
			}
		})
		return background.New(
			func(context.Context) error { starts.Add(1); return nil },
			func(context.Context) { stops.Add(1) },
		)
	})
}

type key struct{}

func TestLoopOutlivesTheContextOfItsStart(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan any), make(chan struct{})
	s := background.Loop(func(ctx context.Context) {
		defer close(ended)
		begun <- ctx.Value(key{})
		<-ctx.Done()
	})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-begun; got != "kept" {
		t.Errorf("value %v", got)
	}
	select {
	case <-ended:
		t.Error("it ended with the context of its start")
	default:
	}
	s.Stop(t.Context())
	select {
	case <-ended:
	default:
		t.Error("it runs after Stop")
	}
}

func TestStartThatFailed(t *testing.T) {
	t.Parallel()
	broken, fail := errors.New("broken"), true
	s := background.New(
		func(context.Context) error {
			if fail {
				return broken
			}
			return nil
		},
		func(context.Context) {
			if fail {
				t.Error("stopped without a start")
			}
		},
	)
	if err := s.Start(t.Context()); !errors.Is(err, broken) {
		t.Errorf("first start: %v", err)
	}
	select {
	case <-s.Started():
		t.Error("started after a start that failed")
	default:
	}
	fail = false
	if err := s.Start(t.Context()); err != nil {
		t.Errorf("second start: %v", err)
	}
	<-s.Started()
	s.Stop(t.Context())
}

func TestFailedStartIsNotStopped(t *testing.T) {
	t.Parallel()
	s := background.New(
		func(context.Context) error { return errors.New("broken") },
		func(context.Context) { t.Error("stopped without a start") },
	)
	if err := s.Start(t.Context()); err == nil {
		t.Error("started")
	}
	s.Stop(t.Context())
}
