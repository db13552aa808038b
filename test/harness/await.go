package harness

import (
	"testing"
	"time"
)

// Patience bounds the wait for an event that has to happen. It is no measure of
// speed: only a failing test waits so long.
const Patience = time.Minute

const tick = 15 * time.Millisecond

// Await polls until done reports true; detail describes the state seen last.
func Await(tb testing.TB, what string, atMost time.Duration, done func() (ok bool, detail string)) {
	tb.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	end := time.After(atMost)
	for {
		ok, detail := done()
		if ok {
			return
		}
		select {
		case <-ticker.C:
		case <-end:
			tb.Fatalf("no %s within %s: %s", what, atMost, detail)
		}
	}
}

// WhileStable polls during a time and fails when still reports false: the absence of
// an event cannot be awaited.
func WhileStable(tb testing.TB, what string, during time.Duration, still func() (ok bool, detail string)) {
	tb.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	end := time.After(during)
	for {
		if ok, detail := still(); !ok {
			tb.Fatalf("%s did not last: %s", what, detail)
		}
		select {
		case <-ticker.C:
		case <-end:
			return
		}
	}
}
