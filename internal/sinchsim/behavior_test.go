package sinchsim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// seen is the response to a client under a behaviour.
type seen struct {
	accepted bool
	err      error // the connection failed so
	status   int
	broken   bool // the body is not JSON
	body     string
	kind     string // content type
}

// TestBehaviors checks every behaviour for both APIs, set through the control API in
// its short form.
func TestBehaviors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ mms, batches seen }{
		"ok":          {seen{accepted: true, status: 200}, seen{accepted: true, status: 201}},
		"slow:20ms":   {seen{accepted: true, status: 200}, seen{accepted: true, status: 201}},
		"rejected":    {seen{accepted: true, status: 200}, seen{accepted: true, status: 201}},
		"none":        {seen{accepted: true, status: 200}, seen{accepted: true, status: 201}},
		"throttle":    {seen{status: 200, body: failure("E113", "Throughput limit for this action exceeded")}, seen{status: 429, broken: true}},
		"E503":        {seen{status: 200, body: failure("E503", "Internal error")}, seen{status: 403, body: `{"code":"E503","text":"The request was refused."}`}},
		"E999":        {seen{status: 200, body: failure("E999", "Request refused")}, seen{status: 403, body: `{"code":"E999","text":"The request was refused."}`}},
		"html":        {seen{status: 200, broken: true, kind: "text/html; charset=utf-8"}, seen{status: 200, broken: true, kind: "text/html; charset=utf-8"}},
		"broken":      {seen{accepted: true, status: 200, broken: true}, seen{accepted: true, status: 201, broken: true}},
		"cut":         {seen{accepted: true, err: io.ErrUnexpectedEOF}, seen{accepted: true, err: io.ErrUnexpectedEOF}},
		"drop":        {seen{accepted: true, err: io.EOF}, seen{accepted: true, err: io.EOF}},
		"drop_before": {seen{err: io.EOF}, seen{err: io.EOF}},
		"reset":       {seen{err: syscall.ECONNRESET}, seen{err: syscall.ECONNRESET}},
		"reset_after": {seen{accepted: true, err: syscall.ECONNRESET}, seen{accepted: true, err: syscall.ECONNRESET}},
		"unknown_group": {
			seen{status: 200, body: failure("unknown_group", "Request refused")},
			seen{status: 403, body: `{"code":"unknown_group","text":"The request was refused."}`},
		},
	}
	for _, status := range []string{"400", "401", "403", "404", "429", "500", "503"} {
		want := seen{broken: true}
		switch status {
		case "400":
			want = seen{body: `{"code":"syntax_constraint_violation","text":"The request was refused."}`}
		case "403":
			want = seen{body: `{"code":"blocked_account","text":"The account is blocked."}`}
		}
		for _, c := range status {
			want.status = want.status*10 + int(c-'0')
		}
		tests[status] = struct{ mms, batches seen }{want, want}
	}
	for short, tt := range tests {
		t.Run(short, func(t *testing.T) {
			t.Parallel()
			s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
			if got := s.Control(t, http.MethodPut, "/default", `"`+short+`"`); got.Status != http.StatusNoContent {
				t.Fatalf("control: %d %s", got.Status, got.Raw)
			}
			check(t, s, tt.mms, s.URL+simtest.MMSPath, simtest.MMSHeader(), simtest.MMS())
			check(t, s, tt.batches, s.URL+"/xms/v1/"+simtest.Plan+"/batches", simtest.BearerHeader(simtest.Token), simtest.Batch())
		})
	}
}

func failure(code, info string) string {
	return `{"status":"Failure","to":"12065551212","error-code":"` + code + `","error-info":"` + info + `"}`
}

func check(t *testing.T, s *simtest.Server, want seen, url string, header http.Header, body simtest.Fields) {
	t.Helper()
	before := s.Stats()
	got, err := simtest.Call(t.Context(), http.MethodPost, url, header, simtest.JSON(t, body))
	if !errors.Is(err, want.err) {
		t.Errorf("%s: error %v, want %v", url, err, want.err)
	}
	after := s.Stats()
	if after.Calls != before.Calls+1 || (after.Accepted > before.Accepted) != want.accepted {
		t.Errorf("%s: %d calls, %d accepted, want accepted %v", url, after.Calls, after.Accepted, want.accepted)
	}
	if want.err != nil {
		return
	}
	if got.Status != want.status || (got.Fields == nil) != want.broken {
		t.Errorf("%s: %d %q", url, got.Status, got.Raw)
	}
	if want.body != "" && string(got.Raw) != want.body {
		t.Errorf("%s: body %s", url, got.Raw)
	}
	if want.kind != "" && got.Header.Get("Content-Type") != want.kind {
		t.Errorf("%s: type %s", url, got.Header.Get("Content-Type"))
	}
}

func TestHangBeforeAccepting(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{Behavior: simtest.Behavior(t, "hang_before")})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan error, 1)
	go func() {
		_, err := simtest.Call(ctx, http.MethodPost, s.URL+simtest.MMSPath, simtest.MMSHeader(), simtest.JSON(t, simtest.MMS()))
		over <- err
	}()
	simtest.Eventually(t, "the call is received", func() bool { return s.Stats().Calls == 1 })
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := s.Stats().Accepted; n != 0 {
		t.Errorf("%d accepted", n)
	}
}

// Stop ends hanging calls.
func TestStopEndsHangingCalls(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerHang}})
	over := make(chan error, 1)
	go func() {
		_, err := simtest.Call(context.WithoutCancel(t.Context()), http.MethodPost, s.URL+simtest.MMSPath, simtest.MMSHeader(), simtest.JSON(t, simtest.MMS()))
		over <- err
	}()
	simtest.Eventually(t, "the call is accepted", func() bool { return s.Stats().Accepted == 1 })
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-over; err == nil {
		t.Error("the call was answered")
	}
	if err := s.Start(t.Context()); !errors.Is(err, sinchsim.ErrStopped) {
		t.Errorf("start after stop: %v", err)
	}
}

func TestReceiptsFollowBehavior(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		receipts sinchsim.Receipts
		codes    []any
	}{
		"delivered":   {sinchsim.Receipts{}, []any{"N101", "N102"}},
		"failed":      {sinchsim.Receipts{Outcome: sinchsim.OutcomeFailed}, []any{"N101", "E101"}},
		"media":       {sinchsim.Receipts{Outcome: sinchsim.OutcomeMedia}, []any{"E011"}},
		"sms failed":  {sinchsim.Receipts{Outcome: sinchsim.OutcomeSMSFailed}, []any{"N101", "E202"}},
		"sent":        {sinchsim.Receipts{Outcome: sinchsim.OutcomeSent}, []any{"N101"}},
		"own codes":   {sinchsim.Receipts{Codes: []string{"N013", "N101", "E999"}}, []any{"N013", "N101", "E999"}},
		"duplicate":   {sinchsim.Receipts{Duplicate: true}, []any{"N101", "N101", "N102", "N102"}},
		"reorder":     {sinchsim.Receipts{Reorder: true}, []any{"N102", "N101"}},
		"both":        {sinchsim.Receipts{Reorder: true, Duplicate: true}, []any{"N102", "N102", "N101", "N101"}},
		"own timing":  {sinchsim.Receipts{Delay: ms(5), Step: ms(5)}, []any{"N101", "N102"}},
		"no receipts": {sinchsim.Receipts{Outcome: sinchsim.OutcomeNone}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
			s.ForReference("msg_a", 0, sinchsim.Behavior{Receipts: tt.receipts})
			s.SendMMS(t, simtest.MMS())
			if diff := cmp.Diff(tt.codes, rec.Codes(t, len(tt.codes))); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
			s.AwaitReceipts(t)
			if n := s.Stats().Receipts.Delivered; n != uint64(len(tt.codes)) {
				t.Errorf("%d receipts delivered", n)
			}
		})
	}
}

func ms(n int) sinchsim.Duration { return sinchsim.Duration(time.Duration(n) * time.Millisecond) }

// With "early" the first receipt is delivered before the response, for both APIs.
func TestReceiptBeforeAnswer(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.SetDefault(simtest.Behavior(t, "early"))
	for range 20 {
		s.SendMMS(t, simtest.MMS())
		s.SendBatch(t, simtest.Batch())
		var early int
		for len(rec.Receipts) > 0 {
			if code := (<-rec.Receipts).Fields["code"]; code == "N101" || code == 401.0 {
				early++
			}
		}
		if early != 2 {
			t.Fatalf("%d first receipts before their answers", early)
		}
	}
}

func TestReceiptsInProcess(t *testing.T) {
	t.Parallel()
	got := make(chan sinchsim.Receipt, 10)
	fail := make(chan error, 1)
	fail <- errors.New("not ready")
	o := sinchsim.Options{}
	o.Receipts.Deliver = func(_ context.Context, r sinchsim.Receipt) error {
		select {
		case err := <-fail:
			return err
		default:
		}
		got <- r
		return nil
	}
	s := simtest.StartQuick(t, o)
	s.SendMMS(t, simtest.MMS())
	codes := map[string]bool{}
	for range 2 {
		r := <-got
		codes[r.Code] = true
		if r.API != sinchsim.APIMMS || r.Reference != "msg_a-1" || r.URL != "" || len(r.Body) == 0 {
			t.Errorf("receipt %+v", r)
		}
	}
	if !codes["N101"] || !codes["N102"] {
		t.Errorf("codes %v", codes)
	}
	if n := s.Stats().Receipts.Retried; n != 1 {
		t.Errorf("%d retries", n)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{Rate: 0.001, Burst: 2})
	answers := map[any]int{}
	for range 4 {
		answers[s.SendMMS(t, simtest.MMS()).Fields["error-code"]]++
	}
	if diff := cmp.Diff(map[any]int{nil: 2, "E113": 2}, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if got := s.SendBatch(t, simtest.Batch()); got.Status != http.StatusTooManyRequests {
		t.Errorf("batch: %d", got.Status)
	}
	s.SetRate(0, 0)
	if got := s.SendBatch(t, simtest.Batch()); got.Status != http.StatusCreated {
		t.Errorf("without limit: %d", got.Status)
	}
	// The limit counts recipients, not calls.
	s.SetRate(0.001, 2)
	if got := s.SendBatch(t, simtest.Batch().With("to", []any{"12065551212", "12065551213", "12065551214"})); got.Status != http.StatusTooManyRequests {
		t.Errorf("three recipients: %d", got.Status)
	}
}

func TestLatencyIsWaited(t *testing.T) {
	t.Parallel()
	latency, err := sinchsim.ParseLatency("30ms")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{Latency: latency})
	began := time.Now()
	s.SendMMS(t, simtest.MMS())
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
}
