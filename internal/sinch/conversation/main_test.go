package conversation_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/sinchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is when the tests take place.
var now = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

const tokenPath = "/oauth2/token"

// answer is a response of Sinch.
type answer = sinchtest.Answer

// server is a Sinch API and a token endpoint with scripted responses.
type server struct{ *sinchtest.Server }

func serve(tb testing.TB, answers ...answer) *server {
	tb.Helper()
	s := &server{sinchtest.Serve(tb, answers...)}
	s.On(tokenPath, aToken("token-1", 3600))
	return s
}

func (s *server) provider(tb testing.TB, o conversation.Options) *conversation.Provider {
	tb.Helper()
	o.BaseURL, o.AuthURL, o.Client = s.URL, s.URL+tokenPath, sinchtest.Client(tb)
	if o.ProjectID == "" {
		o.ProjectID, o.AppID, o.KeyID, o.KeySecret = "project", "app", "key", "key-secret"
	}
	return conversation.New(o).At(func() time.Time { return now }).Pausing(func(context.Context, time.Duration) {})
}

// answering is a provider for the table of responses.
func answering(tb testing.TB, s *sinchtest.Server) sinch.Provider {
	tb.Helper()
	s.On(tokenPath, aToken("token-1", 3600))
	return (&server{s}).provider(tb, conversation.Options{})
}

func aToken(value string, seconds int) answer {
	const body = `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":""}`
	return answer{Status: http.StatusOK, Body: fmt.Sprintf(body, value, seconds)}
}

// sent returns the body of the call that a message makes.
func sent(tb testing.TB, o conversation.Options, m sinch.Message) map[string]any {
	tb.Helper()
	s := serve(tb, answer{Status: http.StatusOK, Body: accepted})
	return sinchtest.Sent(tb, s.Server, s.provider(tb, o), m)
}

const accepted = `{"message_id":"01EQBC1A3BEK731GY4YXEN0C2R","accepted_time":"2024-06-06T12:42:42.528Z"}`

// photo is a message with one picture.
func photo() sinch.Message {
	return sinch.Message{
		Ref: "msg_1a2b-1", To: "+12065551212", From: "+12015555555",
		Media: []sinch.Media{{URL: "https://media.example.com/a.jpg?x=1&y=2"}}, Deadline: time.Now().Add(10 * time.Second),
	}
}
