package e2e_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
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
	s.sim.SetDefault("E104")
	b := s.stream("clientReference=paused", s.rows(3))
	waits := s.send(message{})
	s.awaitMessage(waits, "the reason of a message that waits", func(r resource) bool { return r.Reason != nil })
	s.wantReason(s.lookUp(waits), "account", "E104")
	s.await("the pause everywhere", harness.Patience, func() (bool, string) {
		metrics := s.adminGet(worker.admin + "/metrics")
		ready, err := s.get(worker.admin + "/readyz")
		tasks := s.adminGet(s.admin + "/queues/api/queues/normal/retry_tasks")
		missing := []string{}
		if !shows(metrics.Body, nil)(`mms_account_paused{reason="E104"} 1`) {
			missing = append(missing, ours(string(metrics.Body)))
		}
		if !shows(ready.Body, err)(name) || ready.Status != http.StatusOK {
			missing = append(missing, ready.String())
		}
		if !shows(tasks.Body, nil)("waits: " + name + ", ") {
			missing = append(missing, tasks.String())
		}
		halted := s.lookUpBatch(b.ID)
		if halted.ETASeconds != nil || halted.RatePerSecond != nil {
			missing = append(missing, "a paused batch has an ETA")
		}
		return len(missing) == 0, strings.Join(missing, "\n")
	})

	s.sim.SetDefault("ok")
	s.awaitStatus(waits, "delivered")
	s.await("the end of the pause", harness.Patience, func() (bool, string) {
		metrics := s.adminGet(worker.admin + "/metrics")
		ready, err := s.get(worker.admin + "/readyz")
		over := !shows(metrics.Body, nil)(`reason="E104"`) && !shows(ready.Body, err)("paused")
		return over, ready.String() + ours(string(metrics.Body))
	})
	for _, line := range []string{"account paused: calls wait", "account works again"} {
		if n := bytes.Count(worker.Log(), []byte(line)); n != 1 {
			t.Errorf("%d log lines %q, want 1", n, line)
		}
	}
}
