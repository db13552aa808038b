package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/suppression"
)

// Inbound messages of each shape around a word, from one phone to one sender.
func inbound(word, at string) map[string]string {
	return map[string]string{
		"mms":     `{"origin":"MMS_MO","code":"N401","from":"12065551212","to":"12065550100","keyword":"` + word + `","timestamp":"` + at + `"}`,
		"batches": `{"type":"mo_text","id":"01X","from":"12065551212","to":"12065550100","body":"` + word + `","received_at":"` + at + `"}`,
		"batches media": `{"type":"mo_media","from":"12065551212","to":"+12065550100","body":{"message":"` + word + `","media":[]},
			"received_at":"` + at + `"}`,
		"conversation": `{"app_id":"01E","project_id":"p","event_time":"` + at + `","message":{"id":"01EQ","direction":"TO_APP",
			"contact_message":{"text_message":{"text":"` + word + `"}},"channel_identity":{"channel":"SMS","identity":"12065551212"},
			"sender_id":"12065550100"}}`,
	}
}

const inboundPath = "/webhooks/sinch/inbound"

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	open := func(o *httpapi.Options) { o.Webhook.Token = "" }
	for shape := range inbound("", "") {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			b := setupOptOuts(t, open)
			says := func(word, at string) {
				t.Helper()
				b.do(t, hook(inboundPath, inbound(word, at)[shape])).ok(t, http.StatusOK)
			}
			status := func(more string) any {
				t.Helper()
				return b.do(t, post("/v1/messages", messageBody(more))).ok(t, http.StatusAccepted)["status"]
			}
			says(" stop.", "2026-02-01T10:00:05Z")
			for _, key := range []string{liveKey, otherKey} { // every tenant of the sender
				got := b.do(t, get(optedOut).as(key)).ok(t, http.StatusOK)
				want := map[string]any{
					"number": "+12065551212", "sender": "+12065550100", "reason": "STOP", "source": "inbound", "createdAt": "2026-02-01T10:00:05.000Z",
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%v, want %v", got, want)
				}
				if data, _ := b.do(t, get("/v1/suppressions").as(key)).ok(t, http.StatusOK)["data"].([]any); len(data) != 1 {
					t.Errorf("listed %v", data)
				}
			}
			b.do(t, get(optedOut).as(testKey)).refused(t, http.StatusNotFound, "not_found")
			if got := []any{status(""), status(`"from":"28444"`)}; got[0] != "failed" || got[1] != "queued" {
				t.Errorf("after STOP messages are %v, want failed, and queued from another sender", got)
			}
			says("START", "2026-02-01T10:00:04Z") // older than the STOP
			says("Yes", "2026-02-01T10:00:06Z")
			if got := status(""); got != "failed" {
				t.Errorf("after an older START a message is %v", got)
			}
			says("start", "2026-02-01T10:00:06Z")
			b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
			if got := status(""); got != "queued" {
				t.Errorf("after START a message is %v", got)
			}
			says("QUIT", "2026-02-01T10:00:07Z")
			b.do(t, remove(optedOut)).none(t)
			b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
			b.do(t, get(optedOut).as(otherKey)).ok(t, http.StatusOK)
			if got := status(""); got != "queued" {
				t.Errorf("after DELETE a message is %v", got)
			}
		})
	}
}

func TestInboundIsCounted(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	for _, word := range []string{"STOP", "start", "hello", ""} {
		for _, body := range inbound(word, "2026-02-01T10:00:05Z") {
			for _, path := range []string{inboundPath, dlr} {
				b.do(t, hook(path, body)).ok(t, http.StatusOK)
			}
		}
	}
	for _, odd := range []string{
		`{"origin":"MMS_MO","code":"N401","keyword":"STOP"}`, `{"origin":"MMS_MO","code":"N401","keyword":"STOP","from":"28444"}`,
		`{"origin":"MMS_MO","code":"N401","keyword":"STOP","from":{}}`,
	} {
		b.do(t, hook(inboundPath, odd)).ok(t, http.StatusOK)
	}
	for label, want := range map[string]int{
		"receipt mms inbound_stop": 2, "receipt mms inbound_start": 2, "receipt mms inbound": 7,
		"receipt batches inbound_stop": 4, "receipt conversation inbound_stop": 2, "receipt conversation inbound": 4,
	} {
		if got := b.metrics.get(label); got != want {
			t.Errorf("%s: %d, want %d", label, got, want)
		}
	}
	if n := b.receipt.count(); n != 0 || len(b.optOuts.inbound) != 16 {
		t.Errorf("%d applied as receipts, %d recorded", n, len(b.optOuts.inbound))
	}
}

func TestInboundNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	for _, tt := range []struct{ from, to, number, sender string }{
		{"12065551212", "28444", "+12065551212", "28444"},
		{"+1 206 555 1212", "+12065550100", "+12065551212", "+12065550100"},
		{"2065551212", "12065550100", "+12065551212", "+12065550100"},
		{"61412345678", "", "+61412345678", suppression.EverySender},
	} {
		b.do(t, hook(inboundPath, `{"code":"N401","keyword":"STOP","from":"`+tt.from+`","to":"`+tt.to+`"}`)).ok(t, http.StatusOK)
		got := b.optOuts.inbound[len(b.optOuts.inbound)-1]
		if want := (suppression.Inbound{Number: tt.number, Sender: tt.sender, Meaning: suppression.Stop, Word: "STOP"}); got != want {
			t.Errorf("from %s to %s: recorded %+v", tt.from, tt.to, got)
		}
	}
}

// An inbound message has the checks of its shape, and is recorded once.
func TestInboundCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Secret: "s"}))
	bodies := inbound("STOP", "2026-02-01T10:00:05Z")
	b.do(t, hook(inboundPath, bodies["mms"])).refused(t, http.StatusUnauthorized, "unauthorized")
	for _, shape := range []string{"batches", "conversation"} {
		r := hook(inboundPath, bodies[shape])
		b.do(t, r).refused(t, http.StatusUnauthorized, "unauthorized")
		signed := r.signed("s", "nonce of "+shape, b.now)
		b.optOuts.answers(false, suppression.ErrUnavailable)
		b.do(t, signed).refused(t, http.StatusServiceUnavailable, "unavailable")
		b.optOuts.answers(false, nil)
		b.do(t, signed).ok(t, http.StatusOK)
		b.do(t, signed).ok(t, http.StatusOK)
	}
	if len(b.optOuts.inbound) != 2 {
		t.Errorf("recorded %d times, want twice", len(b.optOuts.inbound))
	}
}
