package receipt_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
)

// conversationReport is a delivery report in the form of Sinch's SDKs; reason is
// JSON.
func conversationReport(status, reason string) string {
	return `{"app_id":"01E3S8B6YCMRNR0GGM94H80ACX","project_id":"c36f3d3d-1513-4edd-ae42-11995557ff61",
		"accepted_time":"2020-11-17T15:09:11.659Z","event_time":"2020-11-17T15:09:13.267185Z","message_metadata":"ref-1","correlation_id":"ref-1",
		"message_delivery_report":{"message_id":"01EQBC1A3BEK731GY4YXEN0C2R","conversation_id":"","status":"` + status + `",
		"channel_identity":{"channel":"MMS","identity":"17745550001","app_id":""},"contact_id":"","reason":` + reason + `,
		"metadata":"ref-1","processing_mode":"DISPATCH"}}`
}

func TestConversationReport(t *testing.T) {
	t.Parallel()
	want := receipt.Receipt{
		Shape: receipt.ShapeConversation, Kind: receipt.KindReport, Ref: "ref-1", SinchID: "01EQBC1A3BEK731GY4YXEN0C2R",
		Recipient: "17745550001", State: message.ReceiptUndelivered, SentAs: "MMS", Code: message.ReasonRecipient,
		SinchCode: "RECIPIENT_NOT_REACHABLE", Detail: "recipient is not reachable",
		At: time.Date(2020, 11, 17, 15, 9, 13, 267_185_000, time.UTC),
	}
	got := only(t, conversationReport("FAILED",
		`{"code":"RECIPIENT_NOT_REACHABLE","description":"The underlying channel reported: …","sub_code":"UNSPECIFIED_SUB_CODE","channel_code":"4"}`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every status, with the reason that belongs to it.
func TestConversationStatuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status, reason string
		want           verdict
		shown          string
	}{
		{"QUEUED_ON_CHANNEL", "null", verdict{State: message.ReceiptSent}, "QUEUED_ON_CHANNEL"},
		{"SWITCHING_CHANNEL", "null", verdict{}, "SWITCHING_CHANNEL"},
		{"SWITCHING_CHANNEL", `{"code":"MEDIA_TOO_LARGE"}`, verdict{}, "SWITCHING_CHANNEL"},
		{"DELIVERED", "null", verdict{State: message.ReceiptDelivered}, "DELIVERED"},
		{"DELIVERED", "{}", verdict{State: message.ReceiptDelivered}, "DELIVERED"},
		{"DELIVERED", `{"code":"UNKNOWN","description":"","sub_code":"UNSPECIFIED_SUB_CODE"}`, verdict{State: message.ReceiptDelivered}, "DELIVERED"},
		{"READ", "null", verdict{State: message.ReceiptDelivered}, "READ"},
		{"FAILED", `{"code":"MEDIA_TOO_LARGE"}`, verdict{message.ReceiptUndelivered, message.ReasonMedia}, "MEDIA_TOO_LARGE"},
	} {
		r := only(t, conversationReport(tc.status, tc.reason))
		if got := (verdict{r.State, r.Code}); got != tc.want || r.SinchCode != tc.shown || r.Unproven != "" {
			t.Errorf("%s %s: %+v %q %q, want %+v", tc.status, tc.reason, got, r.SinchCode, r.Unproven, tc.want)
		}
	}
}

// A status and a reason that contradict each other prove nothing, and neither does a
// value that is in no table.
func TestConversationStatusAndReasonMustAgree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status, reason string
		want           receipt.Unproven
		shown          string
	}{
		{"DELIVERED", "MEDIA_TOO_LARGE", receipt.UnprovenContradiction, "DELIVERED MEDIA_TOO_LARGE"},
		{"delivered", "CHANNEL_REJECT", receipt.UnprovenContradiction, "delivered CHANNEL_REJECT"},
		{"READ", "CHANNEL_FAILURE", receipt.UnprovenContradiction, "READ CHANNEL_FAILURE"},
		{"QUEUED_ON_CHANNEL", "MESSAGE_EXPIRED", receipt.UnprovenContradiction, "QUEUED_ON_CHANNEL MESSAGE_EXPIRED"},
		{"DELIVERED", "CODE_OF_TOMORROW", receipt.UnprovenCode, "CODE_OF_TOMORROW"},
		{"FAILED", "CODE_OF_TOMORROW", receipt.UnprovenCode, "CODE_OF_TOMORROW"},
		{"FAILED", "media_too_large", receipt.UnprovenCode, "media_too_large"},
		{"NOVELTY", "MEDIA_TOO_LARGE", receipt.UnprovenStatus, "NOVELTY"},
		{"", "MEDIA_TOO_LARGE", receipt.UnprovenStatus, ""},
	} {
		r := only(t, conversationReport(tc.status, `{"code":"`+tc.reason+`"}`))
		if got := (verdict{r.State, r.Code}); got != (verdict{}) || r.Unproven != tc.want || r.SinchCode != tc.shown {
			t.Errorf("%s %s: %+v %q %q, want nothing, %q %q", tc.status, tc.reason, got, r.Unproven, r.SinchCode, tc.want, tc.shown)
		}
	}
}

// Every reason of a failure, a second time, independent of the table.
func TestConversationReasons(t *testing.T) {
	t.Parallel()
	for reason, codes := range map[message.ReasonCode][]string{
		message.ReasonThrottled: {"RATE_LIMITED"},
		message.ReasonInternal: {
			"INTERNAL_ERROR", "TEMPLATE_NOT_FOUND", "TEMPLATE_INSUFFICIENT_PARAMETERS", "TEMPLATE_NON_EXISTING_LANGUAGE_OR_VERSION",
		},
		message.ReasonRecipient: {
			"RECIPIENT_INVALID_CHANNEL_IDENTITY", "RECIPIENT_NOT_REACHABLE", "NO_CHANNEL_IDENTITY_FOR_CONTACT",
			"CONTACT_NOT_FOUND", "NO_PROFILE_AVAILABLE",
		},
		message.ReasonSuppressed: {"RECIPIENT_NOT_OPTED_IN"},
		message.ReasonMedia:      {"MEDIA_TYPE_UNSUPPORTED", "MEDIA_TOO_LARGE", "MEDIA_NOT_REACHABLE"},
		message.ReasonContent:    {"BAD_REQUEST", "UNSUPPORTED_OPERATION", "MESSAGE_SPLIT_REQUIRED"},
		message.ReasonCarrier: {
			"CHANNEL_FAILURE", "UNKNOWN", "CHANNEL_REJECT", "DELIVERY_REJECTED_DUE_TO_POLICY", "NO_CHANNELS_LEFT",
			"OUTSIDE_ALLOWED_SENDING_WINDOW",
		},
		message.ReasonAccount: {
			"CHANNEL_BAD_CONFIGURATION", "CHANNEL_CONFIGURATION_MISSING", "UNKNOWN_APP", "NO_PERMISSION", "INACTIVE_CREDENTIAL",
		},
		message.ReasonExpired: {"MESSAGE_EXPIRED", "DELIVERY_TIMED_OUT"},
	} {
		for _, code := range codes {
			r := only(t, conversationReport("FAILED", `{"code":"`+code+`"}`))
			if r.State != message.ReceiptUndelivered || r.Code != reason || r.SinchCode != code || r.Detail == "" {
				t.Errorf("%s: %+v, want %s", code, r, reason)
			}
		}
	}
	for reason, want := range map[string]string{"null": "FAILED", `{}`: "FAILED", `"x"`: "FAILED", `{"code":null}`: "FAILED"} {
		if r := only(t, conversationReport("FAILED", reason)); r.State != message.ReceiptUndelivered || r.SinchCode != want {
			t.Errorf("reason %s: %+v", reason, r)
		}
	}
	// No report arrived in time: that is no failure.
	if r := only(t, conversationReport("FAILED", `{"code":"DELIVERY_REPORT_TIME_OUT"}`)); r.State != message.ReceiptSent || r.Code != "" {
		t.Errorf("no report in time: %+v", r)
	}
}

// The channel determines the form in which the message was sent.
func TestConversationChannel(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]string{`"MMS"`: "MMS", `"SMS"`: "SMS", `"RCS"`: "", "null": ""} {
		body := `{"message_delivery_report":{"status":"DELIVERED","metadata":"r","channel_identity":{"channel":` + channel + `}}}`
		if got := only(t, body).SentAs; got != want {
			t.Errorf("%s: sent as %q, want %q", channel, got, want)
		}
	}
}

// Sinch returns the reference as metadata, twice, and as correlation id.
func TestConversationReference(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"message_delivery_report":{"metadata":"a"},"message_metadata":"b","correlation_id":"c"}`: "a",
		`{"message_delivery_report":{"metadata":""},"message_metadata":"b","correlation_id":"c"}`:  "b",
		`{"message_delivery_report":{},"correlation_id":"c"}`:                                      "c",
		`{"message_delivery_report":{}}`:                                                           "",
	} {
		if got := only(t, body).Ref; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// Other events are ignored.
func TestConversationOtherEvents(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		oneLine, severalLines, `{"app_id":"a","project_id":"p","message_submit_notification":{"message_id":"m","metadata":"r"}}`,
	} {
		if _, all, err := receipt.Parse([]byte(body)); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", body, all, err)
		}
	}
}
