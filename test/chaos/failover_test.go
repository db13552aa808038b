package chaos_test

import "testing"

// TestFailoverBySentinel kills the primary while a call is under way, which has
// waited for the replica to know of it. The replica takes over, what was
// accepted is finished by it, and new messages are accepted again.
func TestFailoverBySentinel(t *testing.T) {
	t.Parallel()
	s := start(t, shape{api: mms, apis: 1, workers: 2, sentinel: true})
	before := newMessage("before", "normal")
	s.awaitStatus(s.send(before), patience, "delivered")

	caught := newMessage("caught", "normal")
	s.sim.forNumber(caught.To, 1, "slow:1500ms")
	id := s.send(caught)
	s.sim.awaitCalls(id, 1)
	s.redis.Kill()

	after := s.send(newMessage("after", "high")) // repeated until somebody takes it
	s.awaitStatus(after, patience, "delivered")
	s.awaitStatus(id, patience, "delivered")
	for _, one := range []string{id, after} {
		s.sim.wantAccepted(one, 1)
	}
}
