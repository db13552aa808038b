package e2e_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// TestPausedAccountHasAName: while Sinch refuses the account, each place that an
// operator or a caller looks at says so, and once it works again none does.
func TestPausedAccountHasAName(t *testing.T) {
	t.Parallel()
	const name = "account paused (E104)"
	s := start(t, with("SINCH_PAUSE", "6s"))
	worker := s.workers[0]
	shows := func(text []byte, err error) func(what string) bool {
		if err != nil {
			t.Fatal(err)
		}
		return func(what string) bool { return bytes.Contains(text, []byte(what)) }
	}
	s.sim.setDefault("E104")
	b := s.stream("clientReference=paused", s.rows(3))
	waits := s.send(message{})
	s.awaitMessage(waits, "the reason of a message that waits", func(r resource) bool { return r.Reason != nil })
	s.wantReason(s.lookUp(waits), "account", "E104")
	s.await("the pause everywhere", patience, func() (bool, string) {
		metrics := s.adminGet(worker.admin + "/metrics")
		ready, err := s.get(worker.admin + "/readyz")
		tasks := s.adminGet(s.admin + "/queues/api/queues/normal/retry_tasks")
		missing := []string{}
		if !shows(metrics.body, nil)(`mms_account_paused{reason="E104"} 1`) {
			missing = append(missing, ours(string(metrics.body)))
		}
		if !shows(ready.body, err)(name) || ready.status != http.StatusOK {
			missing = append(missing, ready.String())
		}
		if !shows(tasks.body, nil)("waits: " + name + ", ") {
			missing = append(missing, tasks.String())
		}
		halted := s.lookUpBatch(b.ID)
		if halted.ETASeconds != nil || halted.RatePerSecond != nil {
			missing = append(missing, "a batch that stands still has an ETA")
		}
		return len(missing) == 0, strings.Join(missing, "\n")
	})

	s.sim.setDefault("ok")
	s.awaitStatus(waits, "delivered")
	s.await("the end of the pause", patience, func() (bool, string) {
		metrics := s.adminGet(worker.admin + "/metrics")
		ready, err := s.get(worker.admin + "/readyz")
		over := !shows(metrics.body, nil)(`reason="E104"`) && !shows(ready.body, err)("paused")
		return over, ready.String() + ours(string(metrics.body))
	})
	for _, line := range []string{"account paused: calls wait", "account works again"} {
		if n := bytes.Count(worker.written(), []byte(line)); n != 1 {
			t.Errorf("%d log lines %q, want 1", n, line)
		}
	}
}
