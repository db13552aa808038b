package conversation_test

import (
	"fmt"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinchsim/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	project  = "/v1/projects/p1"
	sendPath = project + "/messages:send"
)

func aSend() simtest.Fields {
	return simtest.Fields{
		"app_id":    "app1",
		"recipient": toChannels("12065551212", "MMS"),
		"message":   simtest.Fields{"card_message": simtest.Fields{"title": "Hi", "description": "Hello", "media_message": simtest.Fields{"url": "https://media.example.com/a.jpg"}}},

		"channel_priority_order": []any{"MMS"}, "channel_properties": simtest.Fields{"MMS_SENDER": "28444"},
		"message_metadata": "msg_a-1", "correlation_id": "msg_a-1", "processing_strategy": "DISPATCH_ONLY",
	}
}

func toChannels(number string, channels ...string) simtest.Fields {
	var all []any
	for _, channel := range channels {
		all = append(all, simtest.Fields{"channel": channel, "identity": number})
	}
	return simtest.Fields{"identified_by": simtest.Fields{"channel_identities": all}}
}

func to(digits string) simtest.Fields {
	return aSend().With("recipient", toChannels("1206555"+digits, "MMS"))
}

// withSMS allows an SMS instead.
func withSMS(digits string) simtest.Fields {
	return aSend().With("recipient", toChannels("1206555"+digits, "MMS", "SMS")).With("channel_priority_order", []any{"MMS", "SMS"})
}

func sendConversation(t *testing.T, s *simtest.Server, v any) simtest.Answer {
	t.Helper()
	return s.Conversation(t, s.AccessToken(t), http.MethodPost, sendPath, v)
}

// statusOf is the status of a report, with its channel and reason.
func statusOf(p simtest.Postback) string {
	report, _ := p.Fields["message_delivery_report"].(map[string]any)
	channel, _ := report["channel_identity"].(map[string]any)
	reason, _ := report["reason"].(map[string]any)
	text := fmt.Sprintf("%v %v", channel["channel"], report["status"])
	if reason != nil {
		text += fmt.Sprintf(" %v", reason["code"])
	}
	return text
}
