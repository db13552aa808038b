package chaos_test

import (
	"testing"

	"mmsdispatch/test/harness"
)

// TestFailoverBySentinel kills the primary while a call is under way whose begin was
// replicated. The replica is promoted, the accepted message is delivered, and new
// messages are accepted again.
func TestFailoverBySentinel(t *testing.T) {
	t.Parallel()
	s := start(t, shape{api: mms, apis: 1, workers: 2, sentinel: true})
	before := newMessage("before", "normal")
	s.awaitStatus(s.send(before), harness.Patience, "delivered")

	caught := newMessage("caught", "normal")
	s.sim.ForNumber(caught.To, 1, "slow:1500ms")
	id := s.send(caught)
	s.sim.AwaitCalls(id, 1)
	s.redis.Kill()

	after := s.send(newMessage("after", "high")) // repeated until it is accepted
	s.awaitStatus(after, harness.Patience, "delivered")
	s.awaitStatus(id, harness.Patience, "delivered")
	for _, one := range []string{id, after} {
		s.sim.WantAccepted(one, 1)
	}
}
