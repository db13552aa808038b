package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
)

// TestOutageOfSinchForAllWorkers: an outage costs the calls until its detection, and the
// rest of the campaign waits for its end.
func TestOutageOfSinchForAllWorkers(t *testing.T) {
	t.Parallel()
	const (
		messages = 300
		noticed  = 100 // calls in a row without an answer
		slots    = 20  // WORKER_CONCURRENCY
		probes   = 12  // one each five seconds
	)
	s := start(t, patient())
	s.sim.SetDefault("reset")
	b := s.stream("", s.rows(messages))
	s.awaitBreaker(1)
	testKey := s.send(message{}, harness.Bearer(s.testKey))
	s.awaitStatus(testKey, "delivered", harness.Bearer(s.testKey)) // it never reaches Sinch

	seen := s.sim.Stats().Calls
	s.await("a probe", harness.Patience, func() (bool, string) {
		now := s.sim.Stats().Calls
		return now > seen, fmt.Sprint(now, " calls")
	})
	during := s.lookUpBatch(b.ID)
	if lost := during.Counts["unknown"] + during.Counts["sending"]; lost < noticed || lost > noticed+slots+probes {
		t.Errorf("%d messages are lost: %+v", lost, during)
	}
	if during.Counts["queued"] < messages-noticed-slots-probes {
		t.Errorf("too few wait: %+v", during)
	}

	s.sim.SetDefault("ok")
	s.awaitBreaker(0)
	var after batch
	s.await("rest of the batch", s.conf.patience, func() (bool, string) {
		after = s.lookUpBatch(b.ID)
		return after.Counts["delivered"]+after.Counts["unknown"] == messages, fmt.Sprintf("%+v", after)
	})
	if after.Counts["unknown"] > noticed+slots+probes {
		t.Errorf("%+v", after)
	}
	if stats := s.sim.Stats(); stats.Accepted != after.Counts["delivered"] || stats.Calls != messages {
		t.Errorf("%d calls, %d of them accepted: %+v", stats.Calls, stats.Accepted, after)
	}
	log := s.workers[0].Log()
	for _, line := range []string{"Sinch does not answer", "Sinch answers again"} {
		if n := strings.Count(string(log), line); n != 1 {
			t.Errorf("the log has %q %d times", line, n)
		}
	}
}

// awaitBreaker waits until the metric of the first worker has a value.
func (s *stack) awaitBreaker(open int) {
	s.t.Helper()
	want := fmt.Sprintf("\nmms_breaker_open %d\n", open)
	s.await(want, s.conf.patience, func() (bool, string) {
		return strings.Contains(string(s.adminGet(s.workers[0].admin+"/metrics").Body), want), "it is not"
	})
}
