package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
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
		part{name: "first", start: func(context.Context) error { return nil }, stop: stop("first")},
		part{name: "second", start: func(context.Context) error { go p.fail(broken); return nil }, stop: stop("second")},
	)
	if err := p.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("run ended with %v", err)
	}
	if want := []string{"second", "first"}; !slices.Equal(stopped, want) {
		t.Errorf("stopped %v, want %v", stopped, want)
	}
}
