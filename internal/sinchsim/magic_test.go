package sinchsim_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// A message that is throttled twice has another reference each time.
func TestMagicThrottledTwice(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	for attempt := 1; attempt <= 3; attempt++ {
		var want any
		if attempt < 3 {
			want = "E113"
		}
		m := simtest.MMS().With("to", "12065559006").With("client-reference", "msg_b-"+strconv.Itoa(attempt))
		if got := s.SendMMS(t, m); got.Fields["error-code"] != want {
			t.Errorf("attempt %d: %s", attempt, got.Raw)
		}
		status := http.StatusTooManyRequests
		if attempt == 3 {
			status = http.StatusCreated
		}
		b := simtest.Batch().With("to", []any{"12065559006"}).With("client_reference", "msg_c-"+strconv.Itoa(attempt))
		if got := s.SendBatch(t, b); got.Status != status {
			t.Errorf("attempt %d of the batch: %d", attempt, got.Status)
		}
	}
	rec.Codes(t, 4)
	want := map[string]int{"msg_b": 1, "msg_c": 1}
	if diff := cmp.Diff(want, s.Accepted(sinchsim.ByMessage)); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
}

// Simulators that share the attempts of a message throttle the same ones. References
// without an attempt number are counted by each simulator.
func TestMagicThrottledByAttempt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reference string
		throttled []bool // of successive calls, alternating between two simulators
	}{
		"first attempt":            {"msg_a-1", []bool{true, true, true, true, true, true}},
		"second attempt":           {"msg_a-2", []bool{true, true, true, true, true, true}},
		"third attempt":            {"msg_a-3", []bool{false, false}},
		"attempt after a replay":   {"msg_a-12", []bool{false, false}},
		"no number":                {"msg_a-x", []bool{true, true, true, true, false, false}},
		"number in another form":   {"msg_a-03", []bool{true, true, true, true, false, false}},
		"no attempt counts from 0": {"msg_a-0", []bool{true, true, true, true, false, false}},
		"two hyphens":              {"msg_a-3-3", []bool{true, true, true, true, false, false}},
		"another caller's":         {"order-3", []bool{true, true, true, true, false, false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
			other, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
			for i, want := range tt.throttled {
				s := []*simtest.Server{one, other}[i%2]
				got := s.SendMMS(t, simtest.MMS().With("to", "12065559006").With("client-reference", tt.reference))
				if throttled := got.Fields["error-code"] == "E113"; throttled != want {
					t.Errorf("call %d: throttled %v, want %v: %s", i+1, throttled, want, got.Raw)
				}
			}
		})
	}
}

func TestMagicNumbersCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{NoMagicNumbers: true})
	if got := s.SendMMS(t, simtest.MMS().With("to", "12065559001")); got.Fields["status"] != "Success" {
		t.Errorf("answer %s", got.Raw)
	}
}
