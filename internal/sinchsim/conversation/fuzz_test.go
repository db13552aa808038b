package conversation_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// withToken returns the header of requests with a new token.
func withToken(f *testing.F, s *sinchsim.Simulator) http.Header {
	f.Helper()
	header := http.Header{"Authorization": {"Basic a2V5OnNlY3JldA=="}} // key:secret
	w := simtest.Serve(s.Handler(), http.MethodPost, "/oauth2/token", header, "grant_type=client_credentials")
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Token == "" {
		f.Fatalf("%d %q", w.Code, w.Body)
	}
	return simtest.BearerHeader(got.Token)
}

// A message is either accepted with 200 or refused with a documented status, and
// accepted messages can be listed.
func FuzzSendRequest(f *testing.F) {
	for _, body := range []simtest.Fields{
		aSend(), withSMS("9010").With("ttl", "60s"), aSend().With("message", simtest.Fields{"text_message": simtest.Fields{"text": "x"}}),
		aSend().With("channel_priority_order", []any{}).With("recipient", toChannels("1", "MMS", "SMS")),
		aSend().With("message", simtest.Fields{"media_message": simtest.Fields{"url": "x"}, "explicit_channel_omni_message": simtest.Fields{"SMS": 7}}),
	} {
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"app_id":"a","recipient":{"identified_by":{"channel_identities":[null]}}}`)
	s := simtest.New(sinchsim.Options{
		NoMagicNumbers: true, KeepBodies: true, MaxRecords: 10,
		Conversation: sinchsim.ConversationOptions{TokenLife: 1000 * time.Hour, RetentionDays: 1},
	})
	header := withToken(f, s)
	f.Fuzz(func(t *testing.T, body string) {
		before := s.Stats().Accepted
		w := simtest.Serve(s.Handler(), http.MethodPost, sendPath, header, body)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest:
		default:
			t.Fatalf("status %d", w.Code)
		}
		if accepted := s.Stats().Accepted - before; (w.Code == http.StatusOK) != (accepted == 1) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d accepted, answer %d %q", accepted, w.Code, w.Body)
		}
		list := simtest.Serve(s.Handler(), http.MethodGet, project+"/messages?app_id=app1&messages_source=DISPATCH_SOURCE", header, "")
		if list.Code != http.StatusOK || !json.Valid(list.Body.Bytes()) {
			t.Errorf("list %d %q", list.Code, list.Body)
		}
		simtest.CheckRecordReadable(t, s)
	})
}
