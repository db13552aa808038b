package background

import (
	"context"
	"runtime/debug"
)

// PanicFunc is told of a panic that is about to end the process: its value, and the
// stack of the goroutine.
type PanicFunc func(value any, stack []byte)

// panicKey is the key of a PanicFunc in a context.
type panicKey struct{}

// WithPanics returns a context whose loops, and whoever else defers ReportPanic with it,
// tell report of their panics.
func WithPanics(ctx context.Context, report PanicFunc) context.Context {
	return context.WithValue(ctx, panicKey{}, report)
}

// ReportPanic tells the PanicFunc of ctx of a panic, and lets it go on: the process ends
// as it would have, with the same stack. It is to be deferred itself; without a PanicFunc
// it does nothing.
func ReportPanic(ctx context.Context) {
	report, found := ctx.Value(panicKey{}).(PanicFunc)
	if !found {
		return
	}
	if value := recover(); value != nil {
		report(value, debug.Stack())
		panic(value) //nolint:forbidigo // it was one before
	}
}
