package e2e_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

func TestTwoWorkersKeepOnePace(t *testing.T) {
	t.Parallel()
	const (
		rate  = 20
		burst = rate / 10 // what may go at once
	)
	s := start(t, workers(2), with("SINCH_RATE", strconv.Itoa(rate)))
	began := time.Now()
	var ids []string
	for range 3 * rate {
		ids = append(ids, s.send(message{}))
	}
	for _, id := range ids {
		s.awaitStatus(id, "delivered")
	}

	calls := s.sim.AllCalls()
	if len(calls) != len(ids) {
		t.Fatalf("Sinch saw %d calls for %d messages", len(calls), len(ids))
	}
	wantPace(t, began, calls, rate, burst)
}

// wantPace checks that no call arrived before its token existed: the first `saved` calls
// may come at once, each further one 1/rate s later. A busy machine only makes calls
// later, so it cannot fail for being slow; two paces instead of one, or saved tokens,
// come too early.
func wantPace(t *testing.T, began time.Time, calls []harness.SinchCall, rate, saved int) {
	t.Helper()
	const rounding = 10 * time.Millisecond
	arrived := make([]time.Time, len(calls))
	for i, call := range calls {
		arrived[i] = call.At
	}
	slices.SortFunc(arrived, time.Time.Compare)
	for i, at := range arrived {
		earliest := time.Duration(i+1-saved) * time.Second / time.Duration(rate)
		if after := at.Sub(began); after < earliest-rounding {
			t.Fatalf("call %d of %d arrived after %s, want %s or later at %d a second", i+1, len(calls), after, earliest, rate)
		}
	}
}
