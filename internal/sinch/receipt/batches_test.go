package receipt_test

import (
	"reflect"
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

// The carrier is kept where it is an id of one: reports group by it.
func TestCarrier(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`"31003"`: "31003", `310260`: "310260", `""`: "", `"AT&T"`: "", `"12065551212"`: "", `null`: "", `{}`: "",
	} {
		batches := `{"type":"recipient_delivery_report_mms","batch_id":"b","code":0,"status":"Delivered","operator":` + given + `}`
		mms := `{"origin":"MMS_MT","code":"N102","client-reference":"r","operator-id":` + given + `}`
		for _, body := range []string{batches, mms} {
			if got := only(t, body).Operator; got != want {
				t.Errorf("%s: %q, want %q", body, got, want)
			}
		}
	}
}

// Every code of the table, as number and as string, with a status that proves the
// same state.
func TestBatchCodes(t *testing.T) {
	t.Parallel()
	undelivered := func(code message.ReasonCode) verdict { return verdict{message.ReceiptUndelivered, code} }
	for code, want := range map[int]verdict{
		0:    {State: message.ReceiptDelivered},
		400:  {State: message.ReceiptSent},
		401:  {State: message.ReceiptSent},
		402:  undelivered(message.ReasonInternal),
		403:  undelivered(message.ReasonInternal),
		404:  undelivered(message.ReasonCarrier),
		405:  undelivered(message.ReasonInternal),
		406:  undelivered(message.ReasonExpired),
		407:  undelivered(message.ReasonCarrier),
		408:  undelivered(message.ReasonInternal),
		410:  undelivered(message.ReasonInternal),
		411:  undelivered(message.ReasonInternal),
		412:  undelivered(message.ReasonAccount),
		413:  undelivered(message.ReasonAccount),
		414:  undelivered(message.ReasonMedia),
		415:  undelivered(message.ReasonCarrier),
		416:  undelivered(message.ReasonCarrier),
		417:  undelivered(message.ReasonCarrier),
		418:  undelivered(message.ReasonCarrier),
		1000: {State: message.ReceiptSent},
		2000: undelivered(message.ReasonContent),
		2099: undelivered(message.ReasonContent),
		2500: undelivered(message.ReasonInternal),
		3000: undelivered(message.ReasonCarrier), // of the status
		3001: undelivered(message.ReasonSuppressed),
		3003: undelivered(message.ReasonMedia),
		3500: undelivered(message.ReasonCarrier),
		3510: undelivered(message.ReasonThrottled),
		3520: undelivered(message.ReasonAccount),
		4000: undelivered(message.ReasonCarrier),
		4007: undelivered(message.ReasonCarrier),
	} {
		status := map[message.ReceiptState]string{
			message.ReceiptDelivered: "Delivered", message.ReceiptSent: "Dispatched", message.ReceiptUndelivered: "Failed",
		}[want.State]
		text := strconv.Itoa(code)
		for _, written := range []string{text, `"` + text + `"`} {
			r := only(t, recipientReport(written, status))
			if got := (verdict{r.State, r.Code}); got != want || r.SinchCode != text || r.Unproven != "" {
				t.Errorf("%s: %+v %q %q, want %+v", written, got, r.SinchCode, r.Unproven, want)
			}
		}
	}
}

// Every status, in two spellings, with a code that proves the same state.
func TestBatchStatuses(t *testing.T) {
	t.Parallel()
	failing := []string{"3000", "3500", "4007"}
	going := []string{"400", "401", "1000"}
	for status, want := range map[string]struct {
		verdict

		codes []string
	}{
		"Queued":     {verdict{State: message.ReceiptSent}, going},
		"Dispatched": {verdict{State: message.ReceiptSent}, going},
		"Unknown":    {verdict{State: message.ReceiptSent}, going},
		"Delivered":  {verdict{State: message.ReceiptDelivered}, []string{"0", "1000"}},
		"DELIVERED":  {verdict{State: message.ReceiptDelivered}, []string{"0", "1000"}},
		"Aborted":    {verdict{message.ReceiptUndelivered, message.ReasonCarrier}, failing},
		"Cancelled":  {verdict{message.ReceiptUndelivered, message.ReasonCarrier}, failing},
		"Rejected":   {verdict{message.ReceiptUndelivered, message.ReasonCarrier}, failing},
		"Deleted":    {verdict{message.ReceiptUndelivered, message.ReasonCarrier}, failing},
		"Failed":     {verdict{message.ReceiptUndelivered, message.ReasonCarrier}, failing},
		"FAILED":     {verdict{message.ReceiptUndelivered, message.ReasonCarrier}, failing},
		"Expired":    {verdict{message.ReceiptUndelivered, message.ReasonExpired}, failing},
	} {
		for _, code := range want.codes {
			r := only(t, recipientReport(code, status))
			if got := (verdict{r.State, r.Code}); got != want.verdict || r.SinchCode != code || r.Unproven != "" {
				t.Errorf("%s with %s: %+v %q %q, want %+v", status, code, got, r.SinchCode, r.Unproven, want.verdict)
			}
		}
	}
}

// A report proves a state only if status and code agree. Any other one is added to
// the timeline, with Sinch's values, and changes nothing.
func TestBatchStatusAndCodeMustAgree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code, status string
		want         receipt.Unproven
		shown        string
	}{
		{"0", "Failed", receipt.UnprovenContradiction, "Failed 0"},
		{`"0"`, "Failed", receipt.UnprovenContradiction, "Failed 0"},
		{"0", "failed", receipt.UnprovenContradiction, "failed 0"},
		{"0", "Rejected", receipt.UnprovenContradiction, "Rejected 0"},
		{"0", "Expired", receipt.UnprovenContradiction, "Expired 0"},
		{"0", "Queued", receipt.UnprovenContradiction, "Queued 0"},
		{"0", "Dispatched", receipt.UnprovenContradiction, "Dispatched 0"},
		{"0", "Unknown", receipt.UnprovenContradiction, "Unknown 0"},
		{"401", "Delivered", receipt.UnprovenContradiction, "Delivered 401"},
		{"401", "Failed", receipt.UnprovenContradiction, "Failed 401"},
		{"415", "Delivered", receipt.UnprovenContradiction, "Delivered 415"},
		{"415", "Dispatched", receipt.UnprovenContradiction, "Dispatched 415"},
		{"418", "Unknown", receipt.UnprovenContradiction, "Unknown 418"},
		{"1000", "Failed", receipt.UnprovenContradiction, "Failed 1000"},
		{"3001", "Delivered", receipt.UnprovenContradiction, "Delivered 3001"},
		{"3001", "Dispatched", receipt.UnprovenContradiction, "Dispatched 3001"},
		{"3001", "Unknown", receipt.UnprovenContradiction, "Unknown 3001"},
		{"0", "Novelty", receipt.UnprovenStatus, "0"},
		{"415", "Novelty", receipt.UnprovenStatus, "415"},
		{"3001", "Novelty", receipt.UnprovenStatus, "3001"},
		{"0", "", receipt.UnprovenStatus, "0"},
		{"null", "", receipt.UnprovenStatus, ""},
		{"409", "Failed", receipt.UnprovenCode, "409"},
		{"999", "Delivered", receipt.UnprovenCode, "999"},
		{"-1", "Delivered", receipt.UnprovenCode, "-1"},
		{"-0", "Delivered", receipt.UnprovenCode, "-0"},
		{`"00"`, "Delivered", receipt.UnprovenCode, "00"},
		{`"+0"`, "Delivered", receipt.UnprovenCode, "withheld"},
		{`" 0"`, "Delivered", receipt.UnprovenCode, "withheld"},
		{"0.0", "Delivered", receipt.UnprovenCode, "0.0"},
		{"0e0", "Delivered", receipt.UnprovenCode, "0e0"},
		{"null", "Delivered", receipt.UnprovenCode, "Delivered"},
		{`""`, "Failed", receipt.UnprovenCode, "Failed"},
		{"false", "Delivered", receipt.UnprovenCode, "Delivered"},
		{"[0]", "Delivered", receipt.UnprovenCode, "Delivered"},
		{"99999999999999999999", "Failed", receipt.UnprovenCode, "withheld"},
	} {
		r := only(t, recipientReport(tc.code, tc.status))
		if got := (verdict{r.State, r.Code}); got != (verdict{}) || r.Unproven != tc.want || r.SinchCode != tc.shown {
			t.Errorf("%s %q: %+v %q %q, want nothing, %q %q", tc.code, tc.status, got, r.Unproven, r.SinchCode, tc.want, tc.shown)
		}
	}
	for body, want := range map[string]receipt.Unproven{
		`{"type":"recipient_delivery_report_mms","batch_id":"b","status":"Delivered"}`:                                  receipt.UnprovenCode,
		`{"type":"recipient_delivery_report_mms","batch_id":"b","code":0}`:                                              receipt.UnprovenStatus,
		`{"type":"recipient_delivery_report_mms","batch_id":"b","code":0,"Status":"Delivered"}`:                         receipt.UnprovenStatus,
		`{"type":"recipient_delivery_report_mms","batch_id":"b","code":0,"status":{"x":1}}`:                             receipt.UnprovenStatus,
		`{"type":"delivery_report_mms","batch_id":"b","statuses":[{"code":0,"status":"Failed","count":1}]}`:             receipt.UnprovenContradiction,
		`{"type":"delivery_report_mms","batch_id":"b","statuses":[{"code":0,"status":"Failed","recipients":["1"]}]}`:    receipt.UnprovenContradiction,
		`{"type":"delivery_report_mms","batch_id":"b","statuses":[{"Code":0,"status":"Delivered","recipients":["1"]}]}`: receipt.UnprovenCode,
	} {
		if r := only(t, body); r.State != message.ReceiptNone || r.Unproven != want {
			t.Errorf("%s: %q %q, want nothing, %q", body, r.State, r.Unproven, want)
		}
	}
}

func TestBatchRecipientReport(t *testing.T) {
	t.Parallel()
	want := receipt.Receipt{
		Shape: receipt.ShapeBatches, Kind: receipt.KindReport, Ref: "ref-1", SinchID: "01FC", Recipient: "12017777777",
		State: message.ReceiptUndelivered, Code: message.ReasonMedia, SinchCode: "414", Detail: "media could not be fetched",
		At: time.Date(2022, 8, 30, 8, 16, 8, 930_000_000, time.UTC), Operator: "31003",
	}
	if diff := cmp.Diff(want, only(t, recipientReport("414", "Rejected"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// parts returns the state of each recipient of a report.
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

// The type of a report determines the form in which the message arrived.
func TestBatchSentAs(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"type":"recipient_delivery_report_mms","code":0,"status":"Delivered"}`:              "MMS",
		`{"type":"recipient_delivery_report_sms","code":0,"status":"Delivered"}`:              "SMS",
		`{"type":"delivery_report_mms","statuses":[{"code":0,"status":"Delivered"}]}`:         "MMS",
		`{"type":"recipient_delivery_report_mms","code":401,"status":"Dispatched"}`:           "",
		`{"type":"recipient_delivery_report_mms","code":415,"status":"Rejected"}`:             "",
		`{"type":"recipient_delivery_report_rcs","batch_id":1,"code":0,"status":"Delivered"}`: "",
		`{"batch_id":"b","code":0,"status":"Delivered"}`:                                      "",
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
			ID: "01X", From: "16051234567", To: "12085550100", Text: "stop it", Media: []string{"https://x/1"},
		},
		`{"type":"mo_media","id":"01X","from":"16051234567","to":"12085550100","received_at":"2026-11-01T10:00:05.123Z",
			"body":{"subject":"Stop","media":[{"url":"https://x/1"}]}}`: {
			ID: "01X", From: "16051234567", To: "12085550100", Text: "Stop", Media: []string{"https://x/1"},
		},
		`{"type":"mo_binary","id":"01X","from":"16051234567","to":"12085550100",
			"body":"U1RPUA==","udh":"00","received_at":"2026-11-01T10:00:05.123Z"}`: {
			ID: "01X", From: "16051234567", To: "12085550100",
		},
	} {
		r := only(t, body)
		if r.Kind != receipt.KindInbound || !reflect.DeepEqual(r.Inbound, want) || r.State != message.ReceiptNone || r.At.IsZero() {
			t.Errorf("%s: %s %+v %q at %s, want %+v", body, r.Kind, r.Inbound, r.State, r.At, want)
		}
	}
}
