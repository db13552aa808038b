package receipt_test

import (
	"reflect"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/receipt"
)

// inboundEvent is a MESSAGE_INBOUND event with a contact's message.
func inboundEvent(channel, contact string) string {
	return `{"app_id":"01EB37HMH1M6SV18BSNS3G135H","project_id":"c36f3d3d","accepted_time":"2026-11-16T08:17:44.993024Z",
		"event_time":"2026-11-16T08:17:42.814Z","message":{"id":"01EQ","direction":"TO_APP","contact_message":` + contact + `,
		"channel_identity":{"channel":"` + channel + `","identity":"16051234567","app_id":""},"sender_id":"+12085550100",
		"conversation_id":"","contact_id":"","metadata":"","accept_time":"2026-11-16T08:17:44.915Z","processing_mode":"DISPATCH"},
		"message_metadata":"","correlation_id":""}`
}

func TestConversationInbound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		channel, contact string
		want             receipt.Inbound
	}{
		"text": {"SMS", `{"text_message":{"text":"STOP"}}`, receipt.Inbound{From: "16051234567", Text: "STOP"}},
		"media": {
			"MMS", `{"media_message":{"url":"https://x/1","caption":"stop"}}`,
			receipt.Inbound{From: "16051234567", Text: "stop", Media: []string{"https://x/1"}},
		},
		"card": {
			"MMS", `{"media_card_message":{"url":"https://x/1","caption":"Quit"}}`,
			receipt.Inbound{From: "16051234567", Text: "Quit", Media: []string{"https://x/1"}},
		},
		"something else":  {"SMS", `{"location_message":{"title":"STOP"}}`, receipt.Inbound{From: "16051234567"}},
		"of wrong types":  {"SMS", `{"text_message":"STOP","media_message":[1]}`, receipt.Inbound{From: "16051234567"}},
		"another channel": {"WHATSAPP", `{"text_message":{"text":"STOP"}}`, receipt.Inbound{Text: "STOP"}},
	} {
		r := only(t, inboundEvent(tt.channel, tt.contact))
		tt.want.ID, tt.want.To = "01EQ", "12085550100"
		if r.Shape != receipt.ShapeConversation || r.Kind != receipt.KindInbound || !reflect.DeepEqual(r.Inbound, tt.want) {
			t.Errorf("%s: %s %s %+v, want %+v", name, r.Shape, r.Kind, r.Inbound, tt.want)
		}
		if at := time.Date(2026, 11, 16, 8, 17, 42, 814_000_000, time.UTC); !r.At.Equal(at) {
			t.Errorf("%s: at %s, want %s", name, r.At, at)
		}
	}
	for _, body := range []string{
		`{"app_id":"a","project_id":"p","message":{"direction":"TO_CONTACT","app_message":{"text_message":{"text":"STOP"}}}}`,
		`{"app_id":"a","project_id":"p","message":"STOP"}`,
		`{"app_id":"a","project_id":"p","message_delivery_report":{"status":"QUEUED"},"message":{"contact_message":{}}}`,
	} {
		_, all, err := receipt.Parse([]byte(body))
		for _, r := range all {
			if r.Kind == receipt.KindInbound {
				t.Errorf("%s: an inbound message", body)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// For every inbound message: it is bounded, its numbers are digits, and it proves
// nothing about a sent message.
func FuzzInbound(f *testing.F) {
	for _, seed := range []string{
		inboundEvent("SMS", `{"text_message":{"text":"STOP"}}`),
		inboundEvent("MMS", `{"media_card_message":{"url":"https://x/1","caption":"stop"}}`),
		`{"origin":"MMS_MO","code":"N401","from":"+1 605","to":28444,"keyword":"STOP","content":[{"file":"https://x"}]}`,
		`{"type":"mo_text","from":"16051234567","to":"12085550100","body":"STOP","received_at":"2026-11-01T10:00:05.123Z"}`,
		`{"type":"mo_media","body":{"subject":"s","message":"m","media":[{}]}}`,
		`{"type":"mo_binary","body":"U1RPUA=="}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, all, _ := receipt.Parse(body)
		for _, r := range all {
			if r.Kind != receipt.KindInbound {
				if !reflect.DeepEqual(r.Inbound, receipt.Inbound{}) {
					t.Errorf("a %s with %+v", r.Kind, r.Inbound)
				}
				continue
			}
			if r.State != "" || r.Code != "" || len(all) != 1 {
				t.Errorf("an inbound message of %d is %q %q", len(all), r.State, r.Code)
			}
			for _, number := range []string{r.Inbound.From, r.Inbound.To} {
				for _, digit := range number {
					if digit < '0' || digit > '9' || len(number) > 32 {
						t.Fatalf("number of %d characters with %q", len(number), digit)
					}
				}
			}
			if len(r.Inbound.Text) > 20_000 || len(r.Inbound.Keyword) > 20_000 || len(r.Inbound.ID) > 256 || len(r.Inbound.Media) > 100 {
				t.Errorf("unbounded: %d, %d, %d files", len(r.Inbound.Text), len(r.Inbound.ID), len(r.Inbound.Media))
			}
		}
	})
}
