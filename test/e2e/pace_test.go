package e2e_test

import (
	"testing"
	"time"
)

func TestTwoWorkersKeepOnePace(t *testing.T) {
	t.Parallel()
	const (
		rate  = 20
		burst = rate / 10 // what may go at once
		slack = 6         // for what is on its way when a window begins; two paces would make 40 calls
	)
	s := start(t, workers(2), with("SINCH_RATE", "20"))
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
	for i := range calls {
		n := 0
		for _, call := range calls[i:] {
			if call.At.Sub(calls[i].At) < time.Second {
				n++
			}
		}
		if n > rate+burst+slack {
			t.Fatalf("%d calls within a second, want %d and %d at once", n, rate, burst)
		}
	}
	took := calls[len(calls)-1].At.Sub(calls[0].At)
	if slowest := 4 * time.Duration(len(ids)) * time.Second / rate; took > slowest {
		t.Errorf("%d messages took %s at %d a second", len(ids), took, rate)
	}
}
