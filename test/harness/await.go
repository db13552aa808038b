package harness

import (
	"testing"
	"time"
)

// Patience is how long a test waits for what has to happen: it is no measure of
// speed. On a loaded machine things are slow, and only a failing test waits so
// long.
const Patience = time.Minute

const tick = 15 * time.Millisecond

// Await polls until done reports true; detail says how far things are.
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

// Hold checks for a while that something stays as it is: the only way to see
// that a thing does not happen.
func Hold(tb testing.TB, what string, during time.Duration, still func() (ok bool, detail string)) {
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
