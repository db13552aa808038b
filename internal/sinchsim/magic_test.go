package sinchsim_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// hangs makes a call that must be accepted and never answered.
func hangs(t *testing.T, s *simtest.Server, url string, header http.Header, body fields) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan error, 1)
	go func() {
		_, err := call(ctx, http.MethodPost, url, header, asJSON(t, body))
		over <- err
	}()
	eventually(t, "the call is accepted", func() bool { return s.Stats().Accepted == 1 })
	select {
	case err := <-over:
		t.Fatalf("the call was answered (%v)", err)
	case <-time.After(50 * time.Millisecond):
	}
	if n := s.Stats().InFlight; n != 1 {
		t.Errorf("%d calls in flight", n)
	}
	cancel()
	if err := <-over; err == nil {
		t.Error("the call was answered")
	}
	eventually(t, "the call ends with its client", func() bool { return s.Stats().InFlight == 0 })
}

func TestMagicNumbersMMS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		digits  string
		refused string   // error code
		hangs   bool     // accepted and never answered
		codes   []string // receipts
		sentAs  string
	}{
		{digits: "9001", refused: "E110"},
		{digits: "9002", refused: "E114"},
		{digits: "9003", refused: "E351"},
		{digits: "9004", codes: []string{"N101", "E102"}},
		{digits: "9005", codes: []string{"N101", "N103"}},
		{digits: "9007"},
		{digits: "9008", hangs: true},
		{digits: "9009", hangs: true, codes: []string{"N101", "N102"}},
		{digits: "9010", codes: []string{"N101", "N202"}, sentAs: "SMS"},
		{digits: "1212", codes: []string{"N101", "N102"}, sentAs: "MMS"},
	}
	for _, tt := range tests {
		t.Run(tt.digits, func(t *testing.T) {
			t.Parallel()
			s, rec := start(t, sinchsim.Options{})
			body := anMMS().with("to", "1206555"+tt.digits)
			if tt.hangs {
				hangs(t, s, s.URL+"/ep/v2/", mmsHeader(), body)
			} else {
				got := sendMMS(t, s, body)
				if code, _ := got.fields["error-code"].(string); code != tt.refused {
					t.Fatalf("answer %s", got.raw)
				}
			}
			var accepted uint64 = 1
			if tt.refused != "" {
				accepted = 0
			}
			if n := s.Stats().Accepted; n != accepted {
				t.Errorf("%d accepted calls, want %d", n, accepted)
			}
			for i, code := range tt.codes {
				p := rec.next(t)
				if p.fields["code"] != code {
					t.Errorf("receipt %d is %v, want %s", i, p.fields["code"], code)
				}
				if i > 0 && tt.sentAs != "" && p.fields["sent-as"] != tt.sentAs {
					t.Errorf("sent as %v", p.fields["sent-as"])
				}
			}
			settled(t, s)
			if n := s.Stats().Receipts.Scheduled; n != uint64(len(tt.codes)) {
				t.Errorf("%d receipts, want %d", n, len(tt.codes))
			}
		})
	}
}

func TestMagicNumbersBatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		digits  string
		refused string
		hangs   bool
		codes   []any
		status  string // of the last report
	}{
		{digits: "9001", refused: "illegal_number_type"},
		{digits: "9002", codes: []any{3001.0}, status: "Rejected"},
		{digits: "9003", codes: []any{414.0}, status: "Rejected"},
		{digits: "9004", codes: []any{401.0, 415.0}, status: "Rejected"},
		{digits: "9005", codes: []any{401.0, 406.0}, status: "Expired"},
		{digits: "9007"},
		{digits: "9008", hangs: true},
		{digits: "9009", hangs: true, codes: []any{401.0, 0.0}, status: "Delivered"},
		{digits: "9010", codes: []any{401.0, 0.0}, status: "Delivered"},
		{digits: "1212", codes: []any{401.0, 0.0}, status: "Delivered"},
	}
	for _, tt := range tests {
		t.Run(tt.digits, func(t *testing.T) {
			t.Parallel()
			s, rec := start(t, sinchsim.Options{})
			body := aBatch().with("to", []any{"+1206555" + tt.digits})
			if tt.hangs {
				hangs(t, s, s.URL+"/xms/v1/"+plan+"/batches", xmsHeader(), body)
			} else {
				got := sendBatch(t, s, body)
				if tt.refused != "" && (got.status != http.StatusForbidden || got.fields["code"] != tt.refused) {
					t.Fatalf("answer %d %s", got.status, got.raw)
				}
				if tt.refused == "" && got.status != http.StatusCreated {
					t.Fatalf("answer %d %s", got.status, got.raw)
				}
			}
			var last postback
			var codes []any
			for range tt.codes {
				last = rec.next(t)
				codes = append(codes, last.fields["code"])
			}
			if diff := cmp.Diff(tt.codes, codes); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
			if len(codes) > 0 && last.fields["status"] != tt.status {
				t.Errorf("status %v, want %s", last.fields["status"], tt.status)
			}
			settled(t, s)
			if n := s.Stats().Receipts.Scheduled; n != uint64(len(tt.codes)) {
				t.Errorf("%d receipts, want %d", n, len(tt.codes))
			}
		})
	}
}

// A message that is throttled twice comes with another reference each time.
func TestMagicThrottledTwice(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	for attempt := 1; attempt <= 3; attempt++ {
		var want any
		if attempt < 3 {
			want = "E113"
		}
		m := anMMS().with("to", "12065559006").with("client-reference", "msg_b-"+strconv.Itoa(attempt))
		if got := sendMMS(t, s, m); got.fields["error-code"] != want {
			t.Errorf("attempt %d: %s", attempt, got.raw)
		}
		status := http.StatusTooManyRequests
		if attempt == 3 {
			status = http.StatusCreated
		}
		b := aBatch().with("to", []any{"12065559006"}).with("client_reference", "msg_c-"+strconv.Itoa(attempt))
		if got := sendBatch(t, s, b); got.status != status {
			t.Errorf("attempt %d of the batch: %d", attempt, got.status)
		}
	}
	rec.codes(t, 4)
	want := map[string]int{"msg_b": 1, "msg_c": 1}
	if diff := cmp.Diff(want, s.Accepted(sinchsim.ByMessage)); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
}

// Simulators that share the attempts of a message agree on which are throttled.
// References that name no attempt are counted, by each for itself.
func TestMagicThrottledByAttempt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reference string
		throttled []bool // one call after the other, by two simulators in turn
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
			one, _ := start(t, sinchsim.Options{})
			other, _ := start(t, sinchsim.Options{})
			for i, want := range tt.throttled {
				s := []*simtest.Server{one, other}[i%2]
				got := sendMMS(t, s, anMMS().with("to", "12065559006").with("client-reference", tt.reference))
				if throttled := got.fields["error-code"] == "E113"; throttled != want {
					t.Errorf("call %d: throttled %v, want %v: %s", i+1, throttled, want, got.raw)
				}
			}
		})
	}
}

func TestMagicNumbersCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{NoMagicNumbers: true})
	if got := sendMMS(t, s, anMMS().with("to", "12065559001")); got.fields["status"] != "Success" {
		t.Errorf("answer %s", got.raw)
	}
}

// Recipients of one batch fare each by its own number.
func TestMagicNumbersInOneBatch(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065559004", "12065559005"}).with("delivery_report", "full"))
	p := rec.next(t)
	want := []any{
		map[string]any{"code": 0.0, "status": "Delivered", "count": 1.0, "recipients": []any{"12065551212"}},
		map[string]any{"code": 406.0, "status": "Expired", "count": 1.0, "recipients": []any{"12065559005"}},
		map[string]any{"code": 415.0, "status": "Rejected", "count": 1.0, "recipients": []any{"12065559004"}},
	}
	if diff := cmp.Diff(want, p.fields["statuses"]); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}
