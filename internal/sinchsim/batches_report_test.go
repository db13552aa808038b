package sinchsim_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
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
			s, rec := start(t, sinchsim.Options{})
			id := sendBatch(t, s, aBatch().with("delivery_report", style)).fields["id"]
			for _, code := range tt.codes {
				p := rec.next(t)
				at, _ := p.fields["at"].(string)
				status := "Delivered"
				if code == 401.0 {
					status = "Dispatched"
				}
				want := map[string]any{
					"type": "recipient_delivery_report_mms", "batch_id": id, "recipient": "12065551212", "code": code,
					"status": status, "at": at, "operator_status_at": at, "operator": "31003", "client_reference": "msg_a-1",
				}
				if diff := cmp.Diff(want, p.fields); diff != "" || !timeForm.MatchString(at) {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			if tt.statuses != nil {
				want := map[string]any{
					"type": "delivery_report_mms", "batch_id": id, "total_message_count": 1.0,
					"client_reference": "msg_a-1", "statuses": tt.statuses,
				}
				if diff := cmp.Diff(want, rec.next(t).fields); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			settled(t, s)
			total := len(tt.codes) + min(len(tt.statuses), 1)
			if n := s.Stats().Receipts.Delivered; n != uint64(total) {
				t.Errorf("%d reports, want %d", n, total)
			}
		})
	}
}

func TestSummaryOfUnfinishedBatchNeverComes(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	sendBatch(t, s, aBatch().with("delivery_report", "summary").with("to", []any{"12065551212", "12065559007"}))
	if n := s.Stats().Receipts.Scheduled; n != 0 {
		t.Errorf("%d reports", n)
	}
}

func TestBatchCallbackURLWins(t *testing.T) {
	t.Parallel()
	s, ofPlan := start(t, sinchsim.Options{})
	own := newReceiver(t)
	sendBatch(t, s, aBatch().with("callback_url", own.url+"/hook"))
	own.codes(t, 2)
	if len(ofPlan.receipts) != 0 {
		t.Error("the plan's URL was called too")
	}
}

func TestCallbackCredentials(t *testing.T) {
	t.Parallel()
	const secret = "foo_secret1234"
	s, rec := start(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{Secret: secret, User: "u", Password: "p"}})
	sendBatch(t, s, aBatch())
	nonces := map[string]bool{}
	for range 2 {
		p := rec.next(t)
		nonce, at := p.header.Get("x-sinch-webhook-signature-nonce"), p.header.Get("x-sinch-webhook-signature-timestamp")
		nonces[nonce] = true
		if got, want := p.header.Get("x-sinch-webhook-signature"), sinchsim.Sign(secret, p.raw, nonce, at); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		if algorithm := p.header.Get("x-sinch-webhook-signature-algorithm"); algorithm != "HmacSHA256" {
			t.Errorf("algorithm %q", algorithm)
		}
		if got := p.header.Get("Authorization"); got != "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")) {
			t.Errorf("authorization %q", got)
		}
	}
	if len(nonces) != 2 {
		t.Error("a nonce came twice")
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	body := `{"at":"2025-01-13T09:22:40.914Z","batch_id":"01JHFFHQ0P99JPPNQPJDV7JTBP","client_reference":"a client reference",` +
		`"code":0,"operator_status_at":"2025-01-13T09:22:00Z","recipient":"33662162466","status":"Delivered","type":"recipient_delivery_report_sms"}`
	got := sinchsim.Sign("SMSWebhooksSecret", []byte(body), "01JHFFHWYY7HSS4FWTMDTQEK8V", "1736760161")
	if got != "ZoHei66PPN/kZjw7hFVfGhJOnml3iGNCMWoyQVcE5o0=" {
		t.Errorf("signature %s", got)
	}
}

func TestReportsOnRequest(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	id, _ := sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065559004", "12065559007"})).fields["id"].(string)
	eventually(t, "two recipients are final", func() bool {
		return xms(t, s, http.MethodGet, "/delivery_reports?client_reference=msg_a-1", nil).fields["count"] == 2.0
	})
	report := func(query string) any {
		return xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report"+query, nil).fields["statuses"]
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
		got := xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report/"+path, nil)
		if got.fields["code"] != want {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
	if got := xms(t, s, http.MethodGet, "/delivery_reports?code=0", nil); got.fields["count"] != 1.0 {
		t.Errorf("delivered: %s", got.raw)
	}
	if got := xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report?type=short", nil); got.status != http.StatusBadRequest {
		t.Errorf("unknown type: %d", got.status)
	}
}

func TestParameterWithoutValueFailsAlone(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065551213"}).with("delivery_report", "per_recipient_final").
		with("body", fields{"url": "https://x/a.jpg", "message": "Hi ${name}"}).
		with("parameters", fields{"name": fields{"+12065551212": "Ann"}}))
	got := map[any]any{}
	for range 2 {
		p := rec.next(t)
		got[p.fields["recipient"]] = p.fields["code"]
	}
	if diff := cmp.Diff(map[any]any{"12065551212": 0.0, "12065551213": 405.0}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestDrainRate(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{DrainRate: 20}})
	sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065551213", "12065551214"}))
	var at []time.Time
	for range 6 {
		p := rec.next(t)
		if p.fields["code"] == 401.0 {
			text, _ := p.fields["at"].(string)
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
