package receipt_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/receipt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// only parses a body with a single receipt.
func only(tb testing.TB, body string) receipt.Receipt {
	tb.Helper()
	_, all, err := receipt.Parse([]byte(body))
	if err != nil || len(all) != 1 {
		tb.Fatalf("%d receipts, %v; want one", len(all), err)
	}
	return all[0]
}

func TestShape(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]receipt.Shape{
		`{"origin":"MMS_MT","code":"N101"}`:                                receipt.ShapeMMS,
		`{"code":"N999"}`:                                                  receipt.ShapeMMS,
		`{"origin":"MMS_MO"}`:                                              receipt.ShapeMMS,
		`{"type":"delivery_report_mms","statuses":[]}`:                     receipt.ShapeBatches,
		`{"type":"delivery_report_sms"}`:                                   receipt.ShapeBatches,
		`{"type":"recipient_delivery_report_mms","code":0}`:                receipt.ShapeBatches,
		`{"type":"recipient_delivery_report_sms","code":0}`:                receipt.ShapeBatches,
		`{"type":"recipient_delivery_report_rcs","batch_id":"b","code":0}`: receipt.ShapeBatches,
		`{"type":"mo_text"}`:                                               receipt.ShapeBatches,
		`{"type":"mo_binary"}`:                                             receipt.ShapeBatches,
		`{"type":"mo_media"}`:                                              receipt.ShapeBatches,
		`{"app_id":"a","project_id":"p","message_delivery_report":{"status":"DELIVERED"}}`:         receipt.ShapeConversation,
		`{"app_id":"a","project_id":"p","message":{"direction":"TO_APP"}}`:                         receipt.ShapeConversation,
		`{"app_id":"a","project_id":"p","contact_create_notification":{}}`:                         receipt.ShapeConversation,
		`{"app_id":"a","project_id":"p","message_delivery_report":{},"code":"N102","type":"mo_x"}`: receipt.ShapeConversation,
		`{}`:                          receipt.ShapeUnknown,
		`{"type":"something"}`:        receipt.ShapeUnknown,
		`{"code":null,"origin":null}`: receipt.ShapeUnknown,
	} {
		got, all, err := receipt.Parse([]byte(body))
		if err != nil || got != want {
			t.Errorf("%s: shape %s, %v; want %s", body, got, err, want)
		}
		for _, r := range all {
			if r.Shape != got {
				t.Errorf("%s: a receipt of shape %s in one of %s", body, r.Shape, got)
			}
		}
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "null", "[]", `[{"code":"N101"}]`, `"N101"`, "1", "true", "{", `{"code":"N101"`, `{"code":"N101"} x`, `{"code":"N101"}{}`,
		"code=N101", "<html></html>", `{"code":'N101'}`, "\x00", strings.Repeat(`{"a":`, 20_000),
	} {
		shape, all, err := receipt.Parse([]byte(body))
		if !errors.Is(err, receipt.ErrUnreadable) || shape != receipt.ShapeUnknown || all != nil {
			t.Errorf("%.20q: %s, %v, %v; want unreadable", body, shape, all, err)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	utc := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for text, want := range map[string]time.Time{
		`"2026-04-24T18:34:00Z"`:             utc("2026-04-24T18:34:00Z"),
		`"2014-06-07T07:27:29-05:00"`:        utc("2014-06-07T12:27:29Z"),
		`"2021-01-26T18:00:07.990498+00:00"`: utc("2021-01-26T18:00:07.990498Z"),
		`"2022-08-30T08:16:08.9Z"`:           utc("2022-08-30T08:16:08.9Z"),
		`"2022-08-30T08:16:08.930"`:          utc("2022-08-30T08:16:08.93Z"),
		`"2022-08-30"`:                       {},
		`"soon"`:                             {},
		`""`:                                 {},
		`null`:                               {},
		`1661847368`:                         {},
		`{}`:                                 {},
	} {
		if got := only(t, `{"code":"N101","timestamp":`+text+`}`).At; !got.Equal(want) {
			t.Errorf("mms %s: %s, want %s", text, got, want)
		}
		if got := only(t, `{"batch_id":"b","code":0,"at":`+text+`}`).At; !got.Equal(want) {
			t.Errorf("batches %s: %s, want %s", text, got, want)
		}
	}
	if got := only(t, `{"code":"N101"}`).At; !got.IsZero() {
		t.Errorf("without a time: %s", got)
	}
}

// A field that is unknown, missing or of another type affects no other field.
func TestOddFields(t *testing.T) {
	t.Parallel()
	mms := only(t, `{"code":"N102","tracking-id":123,"client-reference":"ref-1","to":17745550001,"sent-as":["MMS"],"timestamp":{"a":1},
		"from":null,"new-field":{"deep":[1,2,{"x":null}]}}`)
	want := receipt.Receipt{
		Shape: receipt.ShapeMMS, Kind: receipt.KindReport, Ref: "ref-1", SinchID: "123", Recipient: "17745550001",
		State: message.ReceiptDelivered, SinchCode: "N102", Detail: "delivered",
	}
	if diff := cmp.Diff(want, mms); diff != "" {
		t.Errorf("mms (-want +got):\n%s", diff)
	}
	batch := only(t, `{"type":"delivery_report_mms","batch_id":7,"client_reference":"ref-1","total_message_count":"1",
		"statuses":[{"code":"0","status":"Delivered","count":"1","recipients":"12017777777","new":1}]}`)
	want = receipt.Receipt{
		Shape: receipt.ShapeBatches, Kind: receipt.KindReport, Ref: "ref-1", SinchID: "7",
		State: message.ReceiptDelivered, SentAs: "MMS", SinchCode: "0", Detail: "delivered",
	}
	if diff := cmp.Diff(want, batch); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	event := only(t, `{"app_id":7,"project_id":[],"event_time":{"a":1},"message_metadata":["x"],"correlation_id":"ref-1",
		"message_delivery_report":{"message_id":7,"status":"DELIVERED","channel_identity":"MMS","metadata":null,"reason":[],"new":1}}`)
	want = receipt.Receipt{
		Shape: receipt.ShapeConversation, Kind: receipt.KindReport, Ref: "ref-1", SinchID: "7",
		State: message.ReceiptDelivered, SinchCode: "DELIVERED", Detail: "delivered",
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Errorf("conversation (-want +got):\n%s", diff)
	}
	for _, body := range []string{
		`{"message_delivery_report":7}`, `{"message_delivery_report":{"status":["FAILED"]}}`, `{"message_delivery_report":{"status":"NEW"}}`,
		`{"code":{}}`, `{"code":[]}`, `{"code":true}`, `{"origin":7}`, `{"batch_id":{}}`, `{"type":"delivery_report_mms","statuses":7}`,
		`{"type":"delivery_report_mms","statuses":[7,"x",null,[]]}`, `{"type":"mo_media","body":7}`, `{"type":"mo_text","body":{}}`,
		`{"type":"delivery_report_mms","statuses":[{"code":0.5,"status":7}]}`,
		`{"type":"recipient_delivery_report_mms","code":99999999999999999999,"status":"New"}`,
	} {
		_, all, err := receipt.Parse([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		for _, r := range all {
			if r.State != message.ReceiptNone {
				t.Errorf("%s: state %q out of nothing", body, r.State)
			}
		}
	}
}

// Every field that is stored in a record or a timeline is bounded.
func TestBounds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 100_000)
	for _, r := range []receipt.Receipt{
		only(t, `{"code":"`+long+`","tracking-id":"`+long+`","client-reference":"`+long+`","to":"`+long+`"}`),
		only(t, `{"correlation_id":"`+long+`","message_delivery_report":{"message_id":"`+long+`","status":"FAILED",
			"channel_identity":{"identity":"`+long+`"},"reason":{"code":"`+long+`"}}}`),
		only(t, `{"batch_id":"`+long+`","status":"`+long+`","client_reference":"`+long+`","recipient":"`+long+`"}`),
	} {
		if len(r.SinchCode) > 64 || len(r.SinchID) > 256 || len(r.Ref) > 256 || len(r.Recipient) > 256 {
			t.Errorf("%s: code %d, id %d, ref %d, recipient %d bytes",
				r.Shape, len(r.SinchCode), len(r.SinchID), len(r.Ref), len(r.Recipient))
		}
	}
	for _, body := range []string{
		`{"batch_id":"b","statuses":[{"code":0,"recipients":[` + strings.Repeat("1,", 5_000) + `1]}]}`,
		`{"batch_id":"b","statuses":[` + strings.Repeat(`{"code":0},`, 5_000) + `{"code":0}]}`,
		`{"batch_id":"b","statuses":[` + strings.Repeat(`{"code":0,"recipients":[1,2,3]},`, 1_000) + `{"code":0}]}`,
	} {
		if _, all, err := receipt.Parse([]byte(body)); err != nil || len(all) != 1000 {
			t.Errorf("%d receipts, %v; want as many as a batch can have recipients", len(all), err)
		}
	}
}

// A phone number in the place of a code is not kept.
func TestCodeIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"code":"+12065551212","client-reference":"r"}`,
		`{"code":"N1\u000a01\u001b[31m","client-reference":"r"}`,
		`{"batch_id":"b","type":"delivery_report_mms","code":12065551212,"status":"Failed","client_reference":"r"}`,
		`{"batch_id":"b","type":"delivery_report_mms","status":"12065551212","client_reference":"r"}`,
		conversationReport("FAILED", `{"code":"12065551212"}`),
		conversationReport("to 12065551212", `{}`),
	} {
		if got := only(t, body).SinchCode; got != sinch.CodeWithheld {
			t.Errorf("%s: code %q", body, got)
		}
	}
}
