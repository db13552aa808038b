package receipt_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
)

type verdict struct {
	State message.ReceiptState
	Code  message.ReasonCode
}

func recipientReport(code, status string) string {
	return `{"type":"recipient_delivery_report_mms","batch_id":"01FC","recipient":"12017777777","code":` + code + `,"status":"` + status +
		`","at":"2022-08-30T08:16:08.930Z","operator":"31003","client_reference":"ref-1"}`
}

// Every code of the table of delivery reports, as number and as string, with a
// status that says nothing.
func TestBatchCodes(t *testing.T) {
	t.Parallel()
	undelivered := func(code message.ReasonCode) verdict { return verdict{message.ReceiptUndelivered, code} }
	for code, want := range map[int]verdict{
		0:   {State: message.ReceiptDelivered},
		400: {State: message.ReceiptSent},
		401: {State: message.ReceiptSent},
		402: undelivered(message.ReasonInternal),
		403: undelivered(message.ReasonInternal),
		404: undelivered(message.ReasonCarrier),
		405: undelivered(message.ReasonInternal),
		406: undelivered(message.ReasonExpired),
		407: undelivered(message.ReasonCarrier),
		408: undelivered(message.ReasonInternal),
		410: undelivered(message.ReasonInternal),
		411: undelivered(message.ReasonInternal),
		412: undelivered(message.ReasonAccount),
		413: undelivered(message.ReasonAccount),
		414: undelivered(message.ReasonMedia),
		415: undelivered(message.ReasonCarrier),
		416: undelivered(message.ReasonCarrier),
		417: undelivered(message.ReasonCarrier),
		418: undelivered(message.ReasonCarrier),
		409: {},
		999: {},
		-1:  {},
	} {
		text := strconv.Itoa(code)
		for _, written := range []string{text, `"` + text + `"`} {
			r := only(t, recipientReport(written, "Novelty"))
			if got := (verdict{r.State, r.Code}); got != want || r.SinchCode != text {
				t.Errorf("%s: %+v %q, want %+v", written, got, r.SinchCode, want)
			}
		}
	}
}

// Every status, in two spellings, with a code of the carrier's own.
func TestBatchStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]verdict{
		"Queued":     {State: message.ReceiptSent},
		"Dispatched": {State: message.ReceiptSent},
		"Delivered":  {State: message.ReceiptDelivered},
		"Unknown":    {State: message.ReceiptSent},
		"Aborted":    {message.ReceiptUndelivered, message.ReasonCarrier},
		"Cancelled":  {message.ReceiptUndelivered, message.ReasonCarrier},
		"Rejected":   {message.ReceiptUndelivered, message.ReasonCarrier},
		"Deleted":    {message.ReceiptUndelivered, message.ReasonCarrier},
		"Failed":     {message.ReceiptUndelivered, message.ReasonCarrier},
		"Expired":    {message.ReceiptUndelivered, message.ReasonExpired},
		"DELIVERED":  {State: message.ReceiptDelivered},
		"FAILED":     {message.ReceiptUndelivered, message.ReasonCarrier},
		"Novelty":    {},
		"":           {},
	} {
		for _, code := range []string{"1000", "3000", "4007", "null"} {
			r := only(t, recipientReport(code, status))
			wantCode := code
			if code == "null" {
				wantCode = status
			}
			if got := (verdict{r.State, r.Code}); got != want || r.SinchCode != wantCode {
				t.Errorf("%s with %s: %+v %q, want %+v %q", status, code, got, r.SinchCode, want, wantCode)
			}
		}
	}
}

// A number on the block list is told from other failures, if it is one.
func TestBatchBlocked(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]verdict{
		"Rejected": {message.ReceiptUndelivered, message.ReasonSuppressed}, "Failed": {message.ReceiptUndelivered, message.ReasonSuppressed},
		"Delivered": {State: message.ReceiptDelivered}, "Dispatched": {State: message.ReceiptSent}, "Unknown": {State: message.ReceiptSent},
		"Novelty": {},
	} {
		r := only(t, recipientReport("3001", status))
		if got := (verdict{r.State, r.Code}); got != want || r.SinchCode != "3001" {
			t.Errorf("%s: %+v %q, want %+v", status, got, r.SinchCode, want)
		}
	}
}

// Where code and status disagree, the code decides; but Unknown is no failure.
func TestBatchCodeAgainstStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code, status string
		want         message.ReceiptState
	}{
		{"0", "Failed", message.ReceiptDelivered},
		{"415", "Delivered", message.ReceiptUndelivered},
		{"401", "Failed", message.ReceiptSent},
		{"418", "Unknown", message.ReceiptSent},
		{"0", "Unknown", message.ReceiptSent},
	} {
		if got := only(t, recipientReport(tc.code, tc.status)).State; got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.code, tc.status, got, tc.want)
		}
	}
}

func TestBatchRecipientReport(t *testing.T) {
	t.Parallel()
	want := receipt.Receipt{
		Shape: receipt.ShapeBatches, Kind: receipt.KindReport, Ref: "ref-1", SinchID: "01FC", Recipient: "12017777777",
		State: message.ReceiptUndelivered, Code: message.ReasonMedia, SinchCode: "414", Detail: "medium could not be fetched",
		At: time.Date(2022, 8, 30, 8, 16, 8, 930_000_000, time.UTC),
	}
	if diff := cmp.Diff(want, only(t, recipientReport("414", "Rejected"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// parts is what a report of several recipients comes apart into.
func parts(tb testing.TB, body string) map[string]message.ReceiptState {
	tb.Helper()
	_, all, err := receipt.Parse([]byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	got := make(map[string]message.ReceiptState)
	for _, r := range all {
		got[r.Recipient+" "+r.SinchCode] = r.State
	}
	return got
}

func TestBatchReport(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		statuses string
		want     map[string]message.ReceiptState
	}{
		"full": {
			`[{"code":0,"status":"Delivered","count":2,"recipients":["1","2"]},
				{"code":415,"status":"Rejected","count":1,"recipients":["3"]}]`,
			map[string]message.ReceiptState{
				"1 0": message.ReceiptDelivered, "2 0": message.ReceiptDelivered, "3 415": message.ReceiptUndelivered,
			},
		},
		"summary of one": {
			`[{"code":415,"status":"Rejected","count":1}]`,
			map[string]message.ReceiptState{" 415": message.ReceiptUndelivered},
		},
		"summary of several that agree": {
			`[{"code":0,"status":"Delivered","count":3}]`,
			map[string]message.ReceiptState{" 0": message.ReceiptDelivered},
		},
		"summary of several that differ": {
			`[{"code":0,"status":"Delivered","count":2},{"code":415,"status":"Rejected","count":1}]`,
			map[string]message.ReceiptState{" 0": message.ReceiptNone, " 415": message.ReceiptNone},
		},
		"empty": {`[]`, map[string]message.ReceiptState{}},
	} {
		for _, kind := range []string{"delivery_report_mms", "delivery_report_sms"} {
			body := `{"type":"` + kind + `","batch_id":"01FC","total_message_count":3,"client_reference":"ref-1",
				"statuses":` + tc.statuses + `}`
			if diff := cmp.Diff(tc.want, parts(t, body)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, kind, diff)
			}
		}
	}
}

// The type of a report says in which form the message arrived.
func TestBatchSentAs(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"type":"recipient_delivery_report_mms","code":0}`:              "MMS",
		`{"type":"recipient_delivery_report_sms","code":0}`:              "SMS",
		`{"type":"delivery_report_mms","statuses":[{"code":0}]}`:         "MMS",
		`{"type":"recipient_delivery_report_mms","code":401}`:            "",
		`{"type":"recipient_delivery_report_mms","code":415}`:            "",
		`{"type":"recipient_delivery_report_rcs","batch_id":1,"code":0}`: "",
		`{"batch_id":"b","code":0}`:                                      "",
	} {
		if got := only(t, body).SentAs; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestBatchInbound(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]receipt.Inbound{
		`{"type":"mo_text","id":"01X","from":"16051234567","to":"+12085550100","body":"STOP","received_at":"2026-11-01T10:00:05.123Z"}`: {
			ID: "01X", From: "16051234567", To: "12085550100", Text: "STOP",
		},
		`{"type":"mo_media","id":"01X","from":"16051234567","to":"12085550100","received_at":"2026-11-01T10:00:05.123Z",
			"body":{"subject":"s","message":"stop it","media":[{"url":"https://x/1","content_type":"image/jpeg"}]}}`: {
			ID: "01X", From: "16051234567", To: "12085550100", Text: "stop it", Media: 1,
		},
		`{"type":"mo_media","id":"01X","from":"16051234567","to":"12085550100","received_at":"2026-11-01T10:00:05.123Z",
			"body":{"subject":"Stop","media":[{"url":"https://x/1"}]}}`: {
			ID: "01X", From: "16051234567", To: "12085550100", Text: "Stop", Media: 1,
		},
		`{"type":"mo_binary","id":"01X","from":"16051234567","to":"12085550100",
			"body":"U1RPUA==","udh":"00","received_at":"2026-11-01T10:00:05.123Z"}`: {
			ID: "01X", From: "16051234567", To: "12085550100",
		},
	} {
		r := only(t, body)
		if r.Kind != receipt.KindInbound || r.Inbound != want || r.State != message.ReceiptNone || r.At.IsZero() {
			t.Errorf("%s: %s %+v %q at %s, want %+v", body, r.Kind, r.Inbound, r.State, r.At, want)
		}
	}
}
