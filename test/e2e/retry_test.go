package e2e_test

import (
	"testing"
)

func TestRetriedUntilItWorks(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := numberPool.Next()
	s.sim.ForNumber(to, 2, "E618")
	id := s.send(message{"to": to})
	r := s.awaitStatus(id, "delivered")
	s.wantAttempts(r, 3)
	s.wantAccepted(id, 1)
	if r.Reason != nil {
		t.Errorf("%s still has a reason", r)
	}
}

func TestRetriesAreExhausted(t *testing.T) {
	t.Parallel()
	s := start(t, with("RETRY_MAX", "2"))
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, "E618")
	id := s.send(message{"to": to})
	r := s.awaitStatus(id, "failed")
	s.wantReason(r, "retries_exhausted", "E618")
	s.wantAttempts(r, 3)
	if calls := s.sim.Calls(id); len(calls) != 3 {
		t.Errorf("Sinch saw %d calls, want 3", len(calls))
	}
}

func TestSinchCannotBeReached(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), with("RETRY_MAX", "1"), with("SINCH_BASE_URL", "http://"+freePorts.Take(t)))
			r := s.awaitStatus(s.send(message{}), "failed")
			s.wantReason(r, "retries_exhausted", "")
			s.wantAttempts(r, 2)
		})
	}
}
