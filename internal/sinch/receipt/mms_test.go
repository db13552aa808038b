package receipt_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
)

// Every code of the page of postback notification codes.
func TestMMSCodes(t *testing.T) {
	t.Parallel()
	type meaning struct {
		Kind   receipt.Kind
		State  message.ReceiptState
		SentAs string
		Code   message.ReasonCode
	}
	report := func(state message.ReceiptState, sentAs string, code message.ReasonCode) meaning {
		if state != message.ReceiptNone && sentAs == "" {
			sentAs = "MMS" // as in the body
		}
		return meaning{receipt.KindReport, state, sentAs, code}
	}
	for code, want := range map[string]meaning{
		"N013": report(message.ReceiptSent, "", ""),
		"N101": report(message.ReceiptSent, "", ""),
		"N102": report(message.ReceiptDelivered, "MMS", ""),
		"N103": report(message.ReceiptUndelivered, "", message.ReasonCarrier),
		"N202": report(message.ReceiptDelivered, "SMS", ""),
		"E101": report(message.ReceiptUndelivered, "", message.ReasonCarrier),
		"E102": report(message.ReceiptUndelivered, "", message.ReasonCarrier),
		"E202": report(message.ReceiptUndelivered, "", message.ReasonCarrier),
		"E011": report(message.ReceiptUndelivered, "", message.ReasonMedia),
		"E012": report(message.ReceiptUndelivered, "", message.ReasonMedia),
		"E013": report(message.ReceiptUndelivered, "", message.ReasonMedia),
		"E999": report(message.ReceiptUndelivered, "", message.ReasonInternal),
		"N003": {Kind: receipt.KindTemplate},
		"E002": {Kind: receipt.KindTemplate},
		"E003": {Kind: receipt.KindTemplate},
		"E004": {Kind: receipt.KindTemplate},
		"N401": {Kind: receipt.KindInbound},
		"N501": {Kind: receipt.KindOther},
		"N502": {Kind: receipt.KindOther},
		"E501": {Kind: receipt.KindOther},
		"E502": {Kind: receipt.KindOther},
		"N777": report(message.ReceiptNone, "", ""), // kept and ignored
		"n102": report(message.ReceiptNone, "", ""),
	} {
		// The status contradicts the code: only the code counts.
		r := only(t, `{"origin":"MMS_MT","code":"`+code+`","sent-as":"MMS","status":"Delivered","client-reference":"ref-1"}`)
		if got := (meaning{r.Kind, r.State, r.SentAs, r.Code}); got != want {
			t.Errorf("%s: %+v, want %+v", code, got, want)
		}
		if r.SinchCode != code || r.Ref != "ref-1" {
			t.Errorf("%s: code %q, ref %q", code, r.SinchCode, r.Ref)
		}
	}
	if got := only(t, `{"origin":"MMS_MT","code":"N777"}`).Kind; got != receipt.KindOther {
		t.Errorf("a code we do not know about nothing of ours: %s, want %s", got, receipt.KindOther)
	}
}

func TestMMSReport(t *testing.T) {
	t.Parallel()
	r := only(t, `{"origin":"MMS_MT","code":"N102","sent-as":"sms","status":"Delivered","status-details":"Message Delivered","from":"28444",
		"to":"17745550001","tracking-id":"TU1TXzU5Nzg3OQ==","client-reference":"msg_1-1","operator-id":"31003","handset":"X",
		"timestamp":"2026-11-01T10:00:05Z"}`)
	want := receipt.Receipt{
		Shape: receipt.ShapeMMS, Kind: receipt.KindReport, Ref: "msg_1-1", SinchID: "TU1TXzU5Nzg3OQ==", Recipient: "17745550001",
		State: message.ReceiptDelivered, SentAs: "SMS", SinchCode: "N102", Detail: "delivered", At: r.At, Operator: "31003",
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := only(t, `{"code":"N101","trackingid":"T1"}`).SinchID; got != "T1" {
		t.Errorf("tracking id %q, want T1", got)
	}
}

func TestMMSTemplate(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]receipt.Template{
		`{"origin":"MMS_MT","code":"N003","mms-id":"35674","client-reference":"tmpl-1"}`:  {ID: "35674", Ready: true},
		`{"origin":"MMS_MT","code":"E002","mms-id":35674,"audio-name":"https://x/1.mp3"}`: {ID: "35674"},
		`{"origin":"MMS_MT","code":"E003","mms-id":"1"}`:                                  {ID: "1"},
		`{"origin":"MMS_MT","code":"E004","mms-id":"1"}`:                                  {ID: "1"},
	} {
		if r := only(t, body); r.Kind != receipt.KindTemplate || r.Template != want || r.State != message.ReceiptNone {
			t.Errorf("%s: %s %+v %q, want %+v", body, r.Kind, r.Template, r.State, want)
		}
	}
}

func TestMMSInbound(t *testing.T) {
	t.Parallel()
	r := only(t, `{"origin":"MMS_MO","code":"N401","from":"+17745550001","to":"28444","copy-to":[{"number":"17745550002"}],"keyword":"STOP",
		"tracking-id":"T2","timestamp":"2026-11-01T10:00:05Z","message-subject":"hello",
		"content":[{"file":"https://x/1"},{"file":"https://x/2"}]}`)
	want := receipt.Inbound{ID: "T2", From: "17745550001", To: "28444", Text: "hello", Keyword: "STOP", Media: []string{"https://x/1", "https://x/2"}}
	if r.Kind != receipt.KindInbound || !reflect.DeepEqual(r.Inbound, want) || r.At.IsZero() {
		t.Errorf("%s %+v at %s, want %+v", r.Kind, r.Inbound, r.At, want)
	}
	for body, want := range map[string][2]string{
		`{"code":"N401","from":"1","message-subject":"stop"}`:                    {"stop", "stop"},
		`{"code":"N401","from":"1","keyword":"STOP"}`:                            {"STOP", "STOP"},
		`{"code":"N401","from":"1","keyword":"STOP","message-subject":"please"}`: {"please", "STOP"},
	} {
		in := only(t, body).Inbound
		if got := [2]string{in.Text, in.Words()}; got != want {
			t.Errorf("%s: text and words %q, want %q", body, got, want)
		}
	}
}
