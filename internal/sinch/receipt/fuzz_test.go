package receipt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/receipt"
)

// codes reports whether a text is a code, or the status and the code of a
// contradiction.
func codes(text string, why receipt.Unproven) bool {
	first, second, both := strings.Cut(text, " ")
	isCode := func(code string) bool { return code == sinch.Text(code).Code() }
	return isCode(first) && isCode(second) && both == (why == receipt.UnprovenContradiction)
}

// For every posted body: no panic, every field is bounded, no state without a code
// or a status that proves it, and only objects are readable.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"origin":"MMS_MT","code":"N102","sent-as":"MMS","to":"17745550001","tracking-id":"T",
			"client-reference":"r","timestamp":"2026-11-01T10:00:05Z"}`,
		`{"origin":"MMS_MT","code":"N003","mms-id":35674}`,
		`{"origin":"MMS_MO","code":"N401","from":"1","to":"2","keyword":"STOP","content":[{"file":"https://x"}]}`,
		`{"type":"delivery_report_mms","batch_id":"b","statuses":[{"code":0,"status":"Delivered","count":1,"recipients":["1"]}]}`,
		recipientReport("415", "Rejected"),
		recipientReport(`"0"`, "Delivered"), recipientReport("0", "Failed"), recipientReport("4007", "Expired"), recipientReport("77", "Failed"),
		`{"type":"mo_media","body":{"message":"m","media":[{}]}}`,
		`{"app_id":"a","project_id":"p","message_delivery_report":{"status":"FAILED"}}`,
		conversationReport("FAILED", `{"code":"CHANNEL_REJECT","description":"d","sub_code":"UNSPECIFIED_SUB_CODE","channel_code":"4.3"}`),
		conversationReport("DELIVERED", "null"), conversationReport("READ", `{"code":"CHANNEL_REJECT"}`), conversationReport("SWITCHING_CHANNEL", `{"code":"MEDIA_TOO_LARGE"}`),
		conversationReport("FAILED", `{"code":"DELIVERY_REPORT_TIME_OUT"}`), conversationReport("FAILED", `[]`),
		`{"app_id":"a","message_delivery_report":7,"correlation_id":"c"}`,
		`[]`, `null`, `{"code":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		shape, all, err := receipt.Parse(body)
		var object map[string]json.RawMessage // not any: 1e400 is JSON, but no float64
		if readable := json.Unmarshal(body, &object) == nil && object != nil; readable != (err == nil) {
			t.Fatalf("readable %t, error %v", readable, err)
		}
		for _, r := range all {
			switch {
			case r.Shape != shape:
				t.Errorf("shape %s in %s", r.Shape, shape)
			case r.State != message.ReceiptNone && (r.SinchCode == "" || r.Kind != receipt.KindReport):
				t.Errorf("state %q of a %s with code %q", r.State, r.Kind, r.SinchCode)
			case (r.State == message.ReceiptUndelivered) != (r.Code != ""):
				t.Errorf("state %q with reason %q", r.State, r.Code)
			case r.State != message.ReceiptNone && r.Unproven != "":
				t.Errorf("state %q, unproven: %s", r.State, r.Unproven)
			case !codes(r.SinchCode, r.Unproven):
				t.Errorf("code %q", r.SinchCode)
			case len(r.SinchID) > 256 || len(r.Ref) > 256 || len(r.Recipient) > 256:
				t.Errorf("unbounded: %d, %d, %d", len(r.SinchID), len(r.Ref), len(r.Recipient))
			case r.SentAs != "" && r.State == message.ReceiptNone:
				t.Errorf("sent as %s, state %q", r.SentAs, r.State)
			}
		}
	})
}
