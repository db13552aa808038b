package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
)

// A part that breaks down while the process runs ends it: the error is what the
// process ends with, and all parts are stopped in reverse order.
func TestBrokenPartEndsTheProcess(t *testing.T) {
	t.Parallel()
	var stopped []string
	stop := func(name string) func(context.Context) {
		return func(context.Context) { stopped = append(stopped, name) }
	}
	broken := errors.New("listener broke down")
	p := newProcess(zerolog.Nop(), time.Minute)
	p.add(
		part{name: "first", Service: background.AtStop(stop("first"))},
		part{name: "second", Service: background.New(func(context.Context) error { go p.fail(broken); return nil }, stop("second"))},
	)
	if err := p.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("run ended with %v", err)
	}
	if want := []string{"second", "first"}; !slices.Equal(stopped, want) {
		t.Errorf("stopped %v, want %v", stopped, want)
	}
}
