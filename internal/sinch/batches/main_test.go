package batches_test

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/sinchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is when the tests take place.
var now = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// answer is a response of Sinch.
type answer = sinchtest.Answer

// server is a Sinch API with scripted responses.
type server struct{ *sinchtest.Server }

func serve(tb testing.TB, answers ...answer) *server {
	tb.Helper()
	return &server{sinchtest.Serve(tb, answers...)}
}

func (s *server) provider(tb testing.TB, o batches.Options) *batches.Provider {
	tb.Helper()
	o.BaseURL, o.Client = s.URL, sinchtest.Client(tb)
	return batches.New(o).At(now)
}

// answering is a provider for the table of responses.
func answering(tb testing.TB, s *sinchtest.Server) sinch.Provider {
	tb.Helper()
	return (&server{s}).provider(tb, batches.Options{Plan: "plan"})
}

// sent returns the body of the call that a message makes.
func sent(tb testing.TB, o batches.Options, m sinch.Message) map[string]any {
	tb.Helper()
	s := serve(tb, answer{Status: http.StatusCreated, Body: created})
	return sinchtest.Sent(tb, s.Server, s.provider(tb, o), m)
}

const created = `{"id":"01FC66621XXXXX119Z8PMV1QPQ","to":["12065551212"],"canceled":false,"type":"mt_media"}`

// photo is a message with one picture.
func photo() sinch.Message {
	return sinch.Message{
		Ref: "msg_1a2b-1", To: "+12065551212", From: "+12015555555", Text: "Hello",
		Media: []sinch.Media{{URL: "https://media.example.com/a.jpg?x=1&y=2"}}, Deadline: time.Now().Add(10 * time.Second),
	}
}
