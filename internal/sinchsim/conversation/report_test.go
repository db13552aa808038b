package conversation_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestMagicNumbersConversation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body    simtest.Fields
		refused string // error
		hangs   bool   // accepted and never answered
		reports []string
	}{
		{body: to("9001"), refused: "INVALID_ARGUMENT"},
		{body: to("9002"), reports: []string{"MMS FAILED RECIPIENT_NOT_OPTED_IN"}},
		{body: to("9003"), reports: []string{"MMS FAILED MEDIA_NOT_REACHABLE"}},
		{body: to("9004"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS FAILED CHANNEL_REJECT"}},
		{body: to("9005"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS FAILED MESSAGE_EXPIRED"}},
		{body: to("9007")},
		{body: to("9008"), hangs: true},
		{body: to("9009"), hangs: true, reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS DELIVERED"}},
		{body: to("9010"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS FAILED RECIPIENT_NOT_REACHABLE"}},
		{body: withSMS("9010"), reports: []string{
			"MMS QUEUED_ON_CHANNEL", "MMS SWITCHING_CHANNEL RECIPIENT_NOT_REACHABLE", "SMS QUEUED_ON_CHANNEL", "SMS DELIVERED",
		}},
		{body: withSMS("1212"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS DELIVERED"}},
	}
	for i, tt := range tests {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
			if tt.hangs {
				s.CheckHangs(t, sendPath, simtest.BearerHeader(s.AccessToken(t)), tt.body)
			} else if got := sendConversation(t, s, tt.body); got.Code() != tt.refused {
				t.Fatalf("%d %s", got.Status, got.Raw)
			}
			for _, want := range tt.reports {
				if got := statusOf(rec.Next(t)); got != want {
					t.Errorf("report %s, want %s", got, want)
				}
			}
			s.AwaitReceipts(t)
			if n := s.Stats().Receipts.Scheduled; n != uint64(len(tt.reports)) {
				t.Errorf("%d reports, want %d", n, len(tt.reports))
			}
		})
	}
	t.Run("throttled twice", func(t *testing.T) {
		t.Parallel()
		s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
		for n, want := range []int{429, 429, 200} {
			body := to("9006").With("message_metadata", fmt.Sprintf("msg_a-%d", n+1))
			if got := sendConversation(t, s, body); got.Status != want {
				t.Errorf("call %d: %d %s", n+1, got.Status, got.Raw)
			}
		}
	})
}

// Behaviours and their codes work as for the other APIs.
func TestConversationBehaviors(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	for word, want := range map[string]int{"PERMISSION_DENIED": 403, "FAILED_PRECONDITION": 400, "UNAVAILABLE": 503, "throttle": 429} {
		s.Next(1, simtest.Behavior(t, word))
		if got := sendConversation(t, s, aSend()); got.Status != want || (word != "throttle" && got.Code() != word) {
			t.Errorf("%s: %d %s", word, got.Status, got.Raw)
		}
	}
	s.Next(1, sinchsim.Behavior{Receipts: sinchsim.Receipts{Codes: []string{"SWITCHING_CHANNEL", "CHANNEL_FAILURE", "READ"}}})
	sendConversation(t, s, aSend())
	for _, want := range []string{"MMS SWITCHING_CHANNEL RECIPIENT_NOT_REACHABLE", "SMS FAILED CHANNEL_FAILURE", "SMS READ"} {
		if got := statusOf(rec.Next(t)); got != want {
			t.Errorf("report %s, want %s", got, want)
		}
	}
	s.Next(1, simtest.Behavior(t, "sms_failed"))
	sendConversation(t, s, withSMS("1212"))
	for range 3 {
		rec.Next(t)
	}
	if got := statusOf(rec.Next(t)); got != "SMS FAILED CHANNEL_REJECT" {
		t.Errorf("report %s", got)
	}
}

// Reports go to the message's own URL, with a new signature for every try.
func TestConversationReportsAreSigned(t *testing.T) {
	t.Parallel()
	rec := simtest.NewReceiver(t, http.StatusInternalServerError)
	s := simtest.StartQuick(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{Secret: "s"}})
	s.SetDefault(simtest.Behavior(t, "sent"))
	sendConversation(t, s, aSend().With("callback_url", rec.URL+"/own?token=t"))
	nonces := map[string]bool{}
	for range 2 {
		p := rec.Next(t)
		nonce, stamp := p.Header.Get("X-Sinch-Webhook-Signature-Nonce"), p.Header.Get("X-Sinch-Webhook-Signature-Timestamp")
		if got := p.Header.Get("X-Sinch-Webhook-Signature"); got != sinchsim.Sign("s", p.Raw, nonce, stamp) || p.Query != "token=t" {
			t.Errorf("signature %q, query %q", got, p.Query)
		}
		nonces[nonce] = true
	}
	if len(nonces) != 2 {
		t.Errorf("nonces %v, want two", nonces)
	}
}
