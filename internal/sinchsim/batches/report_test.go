package batches_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestReportStyles(t *testing.T) {
	t.Parallel()
	one := func(code float64, status string) map[string]any {
		return map[string]any{"code": code, "status": status, "count": 1.0}
	}
	withNumber := one(0, "Delivered")
	withNumber["recipients"] = []any{"12065551212"}
	tests := map[string]struct {
		codes    []any // of recipient reports
		statuses []any // of a report about the batch
	}{
		"none":                {},
		"per_recipient":       {codes: []any{401.0, 0.0}},
		"per_recipient_final": {codes: []any{0.0}},
		"summary":             {statuses: []any{one(0, "Delivered")}},
		"full":                {statuses: []any{withNumber}},
	}
	for style, tt := range tests {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
			id := s.SendBatch(t, simtest.Batch().With("delivery_report", style)).Fields["id"]
			for _, code := range tt.codes {
				p := rec.Next(t)
				at, _ := p.Fields["at"].(string)
				status := "Delivered"
				if code == 401.0 {
					status = "Dispatched"
				}
				want := map[string]any{
					"type": "recipient_delivery_report_mms", "batch_id": id, "recipient": "12065551212", "code": code,
					"status": status, "at": at, "operator_status_at": at, "operator": "31003", "client_reference": "msg_a-1",
				}
				if diff := cmp.Diff(want, p.Fields); diff != "" || !simtest.IsTime(at) {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			if tt.statuses != nil {
				want := map[string]any{
					"type": "delivery_report_mms", "batch_id": id, "total_message_count": 1.0,
					"client_reference": "msg_a-1", "statuses": tt.statuses,
				}
				if diff := cmp.Diff(want, rec.Next(t).Fields); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			s.AwaitReceipts(t)
			total := len(tt.codes) + min(len(tt.statuses), 1)
			if n := s.Stats().Receipts.Delivered; n != uint64(total) {
				t.Errorf("%d reports, want %d", n, total)
			}
		})
	}
}

func TestSummaryOfUnfinishedBatchNeverComes(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.SendBatch(t, simtest.Batch().With("delivery_report", "summary").With("to", []any{"12065551212", "12065559007"}))
	if n := s.Stats().Receipts.Scheduled; n != 0 {
		t.Errorf("%d reports", n)
	}
}

func TestBatchCallbackURLWins(t *testing.T) {
	t.Parallel()
	s, ofPlan := simtest.StartWithReceiver(t, sinchsim.Options{})
	own := simtest.NewReceiver(t)
	s.SendBatch(t, simtest.Batch().With("callback_url", own.URL+"/hook"))
	own.Codes(t, 2)
	if len(ofPlan.Receipts) != 0 {
		t.Error("the plan's URL was called too")
	}
}

func TestCallbackCredentials(t *testing.T) {
	t.Parallel()
	const secret = "foo_secret1234"
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{Secret: secret, User: "u", Password: "p"}})
	s.SendBatch(t, simtest.Batch())
	nonces := map[string]bool{}
	for range 2 {
		p := rec.Next(t)
		nonce, at := p.Header.Get("x-sinch-webhook-signature-nonce"), p.Header.Get("x-sinch-webhook-signature-timestamp")
		nonces[nonce] = true
		if got, want := p.Header.Get("x-sinch-webhook-signature"), sinchsim.Sign(secret, p.Raw, nonce, at); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		if algorithm := p.Header.Get("x-sinch-webhook-signature-algorithm"); algorithm != "HmacSHA256" {
			t.Errorf("algorithm %q", algorithm)
		}
		if got := p.Header.Get("Authorization"); got != "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")) {
			t.Errorf("authorization %q", got)
		}
	}
	if len(nonces) != 2 {
		t.Error("a nonce came twice")
	}
}

func TestReportsOnRequest(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	id, _ := s.SendBatch(t, simtest.Batch().With("to", []any{"12065551212", "12065559004", "12065559007"})).Fields["id"].(string)
	simtest.Eventually(t, "two recipients are final", func() bool {
		return s.Batches(t, http.MethodGet, "/delivery_reports?client_reference=msg_a-1", nil).Fields["count"] == 2.0
	})
	report := func(query string) any {
		return s.Batches(t, http.MethodGet, "/batches/"+id+"/delivery_report"+query, nil).Fields["statuses"]
	}
	row := func(code float64, status string, numbers ...any) map[string]any {
		r := map[string]any{"code": code, "status": status, "count": 1.0}
		if numbers != nil {
			r["recipients"] = numbers
		}
		return r
	}
	for query, want := range map[string]any{
		"":                           []any{row(0, "Delivered"), row(401, "Dispatched"), row(415, "Rejected")},
		"?type=full&code=415":        []any{row(415, "Rejected", "12065559004")},
		"?type=summary&status=other": []any{},
		"?status=delivered,REJECTED": []any{row(0, "Delivered"), row(415, "Rejected")},
	} {
		if diff := cmp.Diff(want, report(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for path, want := range map[string]any{"+12065559004": 415.0, "12065559007": 401.0, "12065550000": nil} {
		got := s.Batches(t, http.MethodGet, "/batches/"+id+"/delivery_report/"+path, nil)
		if got.Fields["code"] != want {
			t.Errorf("%s: %d %s", path, got.Status, got.Raw)
		}
	}
	if got := s.Batches(t, http.MethodGet, "/delivery_reports?code=0", nil); got.Fields["count"] != 1.0 {
		t.Errorf("delivered: %s", got.Raw)
	}
	if got := s.Batches(t, http.MethodGet, "/batches/"+id+"/delivery_report?type=short", nil); got.Status != http.StatusBadRequest {
		t.Errorf("unknown type: %d", got.Status)
	}
}

func TestParameterWithoutValueFailsAlone(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.SendBatch(t, simtest.Batch().With("to", []any{"12065551212", "12065551213"}).With("delivery_report", "per_recipient_final").
		With("body", simtest.Fields{"url": "https://x/a.jpg", "message": "Hi ${name}"}).
		With("parameters", simtest.Fields{"name": simtest.Fields{"+12065551212": "Ann"}}))
	got := map[any]any{}
	for range 2 {
		p := rec.Next(t)
		got[p.Fields["recipient"]] = p.Fields["code"]
	}
	if diff := cmp.Diff(map[any]any{"12065551212": 0.0, "12065551213": 405.0}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestDrainRate(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{DrainRate: 20}})
	s.SendBatch(t, simtest.Batch().With("to", []any{"12065551212", "12065551213", "12065551214"}))
	var at []time.Time
	for range 6 {
		p := rec.Next(t)
		if p.Fields["code"] == 401.0 {
			text, _ := p.Fields["at"].(string)
			when, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, when)
		}
	}
	if len(at) != 3 || at[2].Sub(at[0]) != 100*time.Millisecond {
		t.Errorf("dispatched at %v", at)
	}
}
