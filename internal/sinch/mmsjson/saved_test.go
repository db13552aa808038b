package mmsjson_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/sinchtest"
)

const savedRef = "saved-0011"

// gallery is content that messages share.
func gallery() sinch.Shared {
	return sinch.Shared{
		Ref: savedRef, Text: "Hello", Deadline: time.Now().Add(10 * time.Second),
		Media: []sinch.Media{{URL: "https://media.example.com/a.jpg"}, {URL: "https://media.example.com/b", ContentType: "video/mp4"}},
	}
}

// save makes one call of savemms against a server with one answer.
func save(tb testing.TB, o mmsjson.Options, a answer) (sinch.Outcome, sinchtest.Request) {
	tb.Helper()
	return exchange(tb, o, a, func(p *mmsjson.Provider) sinch.Outcome { return p.Save(tb.Context(), gallery()) })
}

func TestSaveRequest(t *testing.T) {
	t.Parallel()
	_, req := save(t, mmsjson.Options{DefaultSubject: "MMS", CampaignID: "12345"}, answer{Status: 200, Body: `{}`})
	want := map[string]any{
		"action": "savemms", "name": savedRef, "client-reference": savedRef, "message-subject": "MMS", "disable-fallback-sms": true,
		"slide": []any{
			map[string]any{"message-text": "Hello", "image": map[string]any{"url": "https://media.example.com/a.jpg"}},
			map[string]any{"video": map[string]any{"url": "https://media.example.com/b"}},
		},
	}
	if diff := cmp.Diff(want, sinchtest.Decode(t, req.Body)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestSaveAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		answer answer
		want   sinch.Outcome // without its detail
	}{
		"saved":           {answer{Status: 200, Body: `{"status":"Success","mms-id":"35674"}`}, accepted("35674")},
		"id is a number":  {answer{Status: 200, Body: `{"status":"Success","mms-id":35674}`}, accepted("35674")},
		"not a tracking":  {answer{Status: 200, Body: `{"status":"Success","tracking-id":"T","mms-id":"1"}`}, accepted("1")},
		"without an id":   {answer{Status: 200, Body: `{"status":"Success","tracking-id":"T"}`}, unknown("")},
		"cut":             {answer{Status: 200, Body: `{"status":"Succ`}, unknown("")},
		"internal":        {answer{Status: 500}, unknown("")},
		"too fast":        {failure("E113"), sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, SinchCode: "E113"}},
		"too close":       {failure("E106"), sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, SinchCode: "E106"}},
		"bad key":         {failure("E104"), sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount, SinchCode: "E104"}},
		"not allowed":     {failure("E107"), sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonAccount, SinchCode: "E107"}},
		"name is missing": {failure("E311"), sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonContent, SinchCode: "E311"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := save(t, mmsjson.Options{}, tc.answer)
			got.Detail = ""
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func failure(code string) answer {
	return answer{Status: 200, Body: `{"status":"Failure","error-code":"` + code + `"}`}
}

// Each call has the fields that differ between messages, and neither media nor text.
func TestSendSavedRequest(t *testing.T) {
	t.Parallel()
	full := photo()
	full.SavedID, full.Subject, full.FallbackText = "35674", "Your order", "Your photo:"
	full.ExpiresAt = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	least := photo()
	least.SavedID = "35674"
	cases := map[string]struct {
		message sinch.Message
		options mmsjson.Options
		want    map[string]any
	}{
		"full": {full, mmsjson.Options{DefaultSubject: "MMS", CampaignID: "12345"}, map[string]any{
			"action": "sendsavedmms", "mms-id": "35674", "service-id": "12345", "to": "12065551212", "from": "12015555555",
			"message-subject": "Your order", "fallback-sms-text": "Your photo:", "disable-fallback-sms": false,
			"mms-expiry-timestamp": "2026-11-02T10:00:00Z", "client-reference": "msg_1a2b-1",
		}},
		"least": {least, mmsjson.Options{DefaultSubject: "MMS"}, map[string]any{
			"action": "sendsavedmms", "mms-id": "35674", "to": "12065551212", "from": "12015555555",
			"message-subject": "MMS", "disable-fallback-sms": true, "client-reference": "msg_1a2b-1",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, body(t, tc.options, tc.message)); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// These responses are about the media only with saved media; every other response
// has its usual meaning.
func TestSendSavedAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code        string
		saved, bare sinch.OutcomeKind
	}{
		{"E241", sinch.Gone, sinch.Refused},
		{"E620", sinch.Gone, sinch.Refused},
		{"E626", sinch.NotReady, sinch.NotSent},
		{"E110", sinch.Refused, sinch.Refused},
		{"E113", sinch.Throttled, sinch.Throttled},
		{"E503", sinch.Unknown, sinch.Unknown},
	} {
		t.Run(tc.code, func(t *testing.T) {
			t.Parallel()
			m := photo()
			if got, _ := send(t, mmsjson.Options{}, m, failure(tc.code)); got.Kind != tc.bare {
				t.Errorf("without: %+v", got)
			}
			m.SavedID = "35674"
			if got, _ := send(t, mmsjson.Options{}, m, failure(tc.code)); got.Kind != tc.saved || got.SinchCode != tc.code {
				t.Errorf("with: %+v", got)
			}
		})
	}
	m := photo()
	m.SavedID = "35674"
	if got, _ := send(t, mmsjson.Options{}, m, answer{Status: 200, Body: success}); got != accepted("T") {
		t.Errorf("%+v", got)
	}
}

func TestEncodes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"a.jpg": false, "a.pdf": false, "a.mp3": true, "a.mp4": true} {
		media := []sinch.Media{{URL: "https://media.example.com/x.png"}, {URL: "https://media.example.com/" + name}}
		if got := mmsjson.New(mmsjson.Options{}).Encodes(media); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
