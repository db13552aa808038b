package conversation_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestConversationAccepted(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	got := sendConversation(t, s, aSend())
	id, _ := got.Fields["message_id"].(string)
	accepted, _ := got.Fields["accepted_time"].(string)
	if got.Status != http.StatusOK || !simtest.IsULID(id) || !simtest.IsTime(accepted) {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	for _, status := range []string{"QUEUED_ON_CHANNEL", "DELIVERED"} {
		p := rec.Next(t)
		event, _ := p.Fields["event_time"].(string)
		want := map[string]any{
			"app_id": "app1", "project_id": "p1", "accepted_time": accepted, "event_time": event,
			"message_metadata": "msg_a-1", "correlation_id": "",
			"message_delivery_report": map[string]any{
				"message_id": id, "conversation_id": "", "contact_id": "", "status": status,
				"channel_identity": map[string]any{"channel": "MMS", "identity": "12065551212", "app_id": ""},
				"metadata":         "msg_a-1", "processing_mode": "DISPATCH",
			},
		}
		if diff := cmp.Diff(want, p.Fields); diff != "" || !simtest.IsTime(event) {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	}
	if s.AcceptedFor(sinchsim.ByMessage, "msg_a") != 1 || s.AcceptedFor(sinchsim.ByNumber, "+12065551212") != 1 {
		t.Errorf("counted as %v", s.Accepted(sinchsim.ByMessage))
	}
}

// A request that fails the validation before acceptance is refused.
func TestConversationRefused(t *testing.T) {
	t.Parallel()
	s := simtest.StartQuick(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{App: "app1", Project: "p1"}})
	token := s.AccessToken(t)
	media := func(v any) simtest.Fields { return aSend().With("message", simtest.Fields{"media_message": v}) }
	tests := map[string]struct {
		body any
		code string
	}{
		"app missing":             {aSend().With("app_id", nil), "INVALID_ARGUMENT"},
		"app of another region":   {aSend().With("app_id", "app2"), "NOT_FOUND"},
		"app of another type":     {aSend().With("app_id", 1), "INVALID_ARGUMENT"},
		"recipient missing":       {aSend().With("recipient", nil), "INVALID_ARGUMENT"},
		"recipient a contact":     {aSend().With("recipient", simtest.Fields{"contact_id": "c"}), "INVALID_ARGUMENT"},
		"recipient empty":         {aSend().With("recipient", toChannels("", "MMS")), "INVALID_ARGUMENT"},
		"two recipients":          {aSend().With("recipient", simtest.Fields{"identified_by": simtest.Fields{"channel_identities": []any{simtest.Fields{"channel": "MMS", "identity": "1"}, simtest.Fields{"channel": "SMS", "identity": "2"}}}}), "INVALID_ARGUMENT"},
		"message missing":         {aSend().With("message", nil), "INVALID_ARGUMENT"},
		"two messages":            {aSend().With("message", simtest.Fields{"text_message": simtest.Fields{"text": "x"}, "media_message": simtest.Fields{"url": "https://x/a"}}), "INVALID_ARGUMENT"},
		"media without url":       {media(simtest.Fields{}), "INVALID_ARGUMENT"},
		"card without url":        {aSend().With("message", simtest.Fields{"card_message": simtest.Fields{"title": "x", "media_message": simtest.Fields{}}}), "INVALID_ARGUMENT"},
		"card empty":              {aSend().With("message", simtest.Fields{"card_message": simtest.Fields{}}), "INVALID_ARGUMENT"},
		"channel unknown":         {aSend().With("channel_priority_order", []any{"MMS", "RCS"}), "INVALID_ARGUMENT"},
		"channel twice":           {aSend().With("channel_priority_order", []any{"MMS", "MMS"}), "INVALID_ARGUMENT"},
		"channel not MMS":         {withSMS("1212").With("channel_priority_order", []any{"SMS", "MMS"}), "INVALID_ARGUMENT"},
		"override of no channel":  {aSend().With("message", simtest.Fields{"media_message": simtest.Fields{"url": "https://x/a"}, "explicit_channel_omni_message": simtest.Fields{"X": simtest.Fields{}}}), "INVALID_ARGUMENT"},
		"property too long":       {aSend().With("channel_properties", simtest.Fields{"MMS_SENDER": strings.Repeat("1", 1025)}), "INVALID_ARGUMENT"},
		"metadata too long":       {aSend().With("message_metadata", strings.Repeat("x", 1025)), "INVALID_ARGUMENT"},
		"correlation id too long": {aSend().With("correlation_id", strings.Repeat("x", 129)), "INVALID_ARGUMENT"},
		"ttl too short":           {aSend().With("ttl", "2s"), "INVALID_ARGUMENT"},
		"ttl without unit":        {aSend().With("ttl", "20"), "INVALID_ARGUMENT"},
		"ttl signed":              {aSend().With("ttl", "+20s"), "INVALID_ARGUMENT"},
		"ttl too long":            {aSend().With("ttl", "315576000001s"), "INVALID_ARGUMENT"},
		"strategy":                {aSend().With("processing_strategy", "FAST"), "INVALID_ARGUMENT"},
		"queue":                   {aSend().With("queue", "FAST"), "INVALID_ARGUMENT"},
		"callback url":            {aSend().With("callback_url", "ftp://x"), "INVALID_ARGUMENT"},
		"not an object":           {[]any{}, "INVALID_ARGUMENT"},
		"no JSON":                 {nil, "INVALID_ARGUMENT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.Conversation(t, token, http.MethodPost, sendPath, tt.body)
			if got.Code() != tt.code || got.Status != map[string]int{"INVALID_ARGUMENT": 400, "NOT_FOUND": 404}[tt.code] {
				t.Errorf("%d %s, want %s", got.Status, got.Raw, tt.code)
			}
		})
	}
	if got := s.Conversation(t, token, http.MethodPost, "/v1/projects/p2/messages:send", aSend()); got.Code() != "NOT_FOUND" {
		t.Errorf("another project: %d %s", got.Status, got.Raw)
	}
	t.Cleanup(func() {
		if n := s.Stats().Accepted; n != 0 {
			t.Errorf("%d calls were accepted", n)
		}
	})
}

// A request that fails the validation after acceptance is accepted, and fails.
func TestConversationFailsLater(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]simtest.Fields{
		"no number":      aSend().With("recipient", toChannels("+12065551212", "MMS")),
		"no sender":      aSend().With("channel_properties", nil),
		"no real sender": aSend().With("channel_properties", simtest.Fields{"MMS_SENDER": "me"}),
		"long title":     aSend().With("message", simtest.Fields{"card_message": simtest.Fields{"title": strings.Repeat("x", 81)}}),
		"no real url":    aSend().With("message", simtest.Fields{"media_message": simtest.Fields{"url": "a.jpg"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
			if got := sendConversation(t, s, body); got.Status != http.StatusOK {
				t.Fatalf("%d %s", got.Status, got.Raw)
			}
			if got := statusOf(rec.Next(t)); got != "MMS FAILED BAD_REQUEST" {
				t.Errorf("report %s", got)
			}
		})
	}
}

// The app drains its queue at its own rate and refuses messages beyond the limit.
func TestConversationQueue(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{DrainRate: 0.1, QueueLimit: 2}})
	token := s.AccessToken(t)
	send := func(ttl string) simtest.Answer {
		return s.Conversation(t, token, http.MethodPost, sendPath, aSend().With("ttl", ttl))
	}
	if got := send("3s"); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	if got := statusOf(rec.Next(t)); got != "MMS QUEUED_ON_CHANNEL" {
		t.Errorf("the first one: %s", got)
	}
	for range 2 {
		send("3s")
	}
	if got := send("3s"); got.Code() != "RESOURCE_EXHAUSTED" || got.Status != http.StatusTooManyRequests {
		t.Errorf("the queue is full: %d %s", got.Status, got.Raw)
	}
	app := s.Conversation(t, token, http.MethodGet, project+"/apps/app1", nil)
	if queue, _ := app.Fields["queue_stats"].(map[string]any); queue["outbound_size"] != 2.0 || queue["outbound_limit"] != 2.0 {
		t.Errorf("app: %s", app.Raw)
	}
	codes := map[string]int{}
	for _, c := range s.Calls(sinchsim.CallFilter{API: sinchsim.APIConversation}) {
		codes[c.Answer]++
	}
	if codes["ok"] != 4 || codes["RESOURCE_EXHAUSTED"] != 1 { // three sends and the app
		t.Errorf("calls %v", codes)
	}
}

func TestConversationMMSOnly(t *testing.T) {
	t.Parallel()
	s := simtest.StartQuick(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{MMSOnly: true}})
	if got := sendConversation(t, s, withSMS("1212")); got.Code() != "INVALID_ARGUMENT" {
		t.Errorf("%d %s", got.Status, got.Raw)
	}
	if got := sendConversation(t, s, aSend()); got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.Raw)
	}
}
