package mmsjson_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/sinchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is a response of Sinch.
type answer = sinchtest.Answer

// provider makes a provider of a server.
func provider(tb testing.TB, s *sinchtest.Server, o mmsjson.Options) *mmsjson.Provider {
	tb.Helper()
	o.BaseURL, o.Client = s.URL, sinchtest.Client(tb)
	return mmsjson.New(o)
}

// send makes one call of a message against a server with one answer.
func send(tb testing.TB, o mmsjson.Options, m sinch.Message, a answer) (sinch.Outcome, sinchtest.Request) {
	tb.Helper()
	return exchange(tb, o, a, func(p *mmsjson.Provider) sinch.Outcome { return p.Send(tb.Context(), m) })
}

// exchange makes one call against a server with one answer.
func exchange(tb testing.TB, o mmsjson.Options, a answer, call func(*mmsjson.Provider) sinch.Outcome) (sinch.Outcome, sinchtest.Request) {
	tb.Helper()
	s := sinchtest.Serve(tb, a)
	outcome := call(provider(tb, s, o))
	got := s.Requests()
	if len(got) != 1 {
		tb.Fatalf("%d requests, want 1", len(got))
	}
	return outcome, got[0]
}

// answering is a provider for the table of responses.
func answering(tb testing.TB, s *sinchtest.Server) sinch.Provider {
	tb.Helper()
	return provider(tb, s, mmsjson.Options{})
}

// photo is a message with one picture.
func photo() sinch.Message {
	return sinch.Message{
		Ref: "msg_1a2b-1", To: "+12065551212", From: "+12015555555", Text: "Hello & <bye>",
		Media: []sinch.Media{{URL: "https://media.example.com/a.jpg?x=1&y=2"}}, Deadline: time.Now().Add(10 * time.Second),
	}
}
