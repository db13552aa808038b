package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

// TestLoadKit: the two phases of mmsctl load agree with the simulator's record, also
// when calls fail on the way, and a message that is followed is shown until it is
// delivered.
func TestLoadKit(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2))
	file, to := filepath.Join(t.TempDir(), "run.ndjson"), []string{"--url", s.base, "--key", s.key}
	s.sim.Next(2, "throttle")
	const messages = 100
	run := func(result any, args ...string) {
		t.Helper()
		out := s.ctl(append(append(args, to...), "--json")...)
		if err := json.Unmarshal([]byte(out), result); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var pushed struct{ Messages, Accepted int }
	run(&pushed, "load", "push", file, "--live", "--rate", "200", "-n", "100")
	if pushed.Messages != messages || pushed.Accepted != messages {
		t.Errorf("%+v", pushed)
	}
	var verified struct {
		Arrived, Retried, Refused int
		Missing, Doubled          []string
		Sent, Delivered           struct{ P50Seconds, P99Seconds float64 }
	}
	run(&verified, "load", "verify", file, "--simulator", s.sim.Base)
	if verified.Arrived != messages || verified.Retried == 0 || len(verified.Missing)+len(verified.Doubled)+verified.Refused != 0 ||
		verified.Sent.P99Seconds <= 0 || verified.Delivered.P50Seconds < verified.Sent.P50Seconds {
		t.Errorf("%+v", verified)
	}
	var message struct{ Status, Text string }
	run(&message, "send", "--to", "+12065551212", "--media", "https://example.com/a.jpg", "--template", "--text", "Hi {{name}}", "--data", "name=Ann", "--wait")
	if message.Status != "delivered" || message.Text != "Hi Ann" {
		t.Errorf("%+v", message)
	}
	var status struct {
		Workers []any
		Lanes   []struct{ Waiting int }
	}
	out := s.ctl("top", "--admin-url", s.admin, "--json")
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Workers) != 2 || len(status.Lanes) != 3 {
		t.Errorf("%v: %s", err, out)
	}
}
