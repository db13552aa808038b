package conversation_test

import (
	"testing"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
)

// For every response of the token endpoint: the call is made with a token that is
// valid in a header, or not at all.
func FuzzToken(f *testing.F) {
	f.Add(200, `{"access_token":"t","expires_in":3600}`)
	f.Add(200, `{"access_token":"a\r\nb","expires_in":"soon"}`)
	f.Add(200, `{"access_token":"t","expires_in":-1}`)
	f.Add(401, `{"error":"invalid_client"}`)
	f.Add(404, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			t.Skip("no status of an answer")
		}
		s := serve(t, answer{Status: 200, Body: accepted})
		s.On(tokenPath, answer{Status: status, Body: body})
		got := s.provider(t, conversation.Options{}).Send(t.Context(), photo())
		switch made := len(s.Requests()); {
		case made == 0 && got.Kind != sinch.NotSent && got.Kind != sinch.Account:
			t.Errorf("without a call: %+v", got)
		case made > 0 && (made != 1 || got.Kind != sinch.Accepted || status != 200):
			t.Errorf("%d calls after HTTP %d: %+v", made, status, got)
		case got.SinchCode != sinch.Text(got.SinchCode).Code():
			t.Errorf("code %q", got.SinchCode)
		}
	})
}
