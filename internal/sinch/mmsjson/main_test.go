package mmsjson_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is what the other side says.
type answer struct {
	status int
	header http.Header
	body   string
}

// request is what the other side got.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// send makes one call of a message against a server with one answer.
func send(tb testing.TB, o mmsjson.Options, m sinch.Message, a answer) (sinch.Outcome, request) {
	tb.Helper()
	return exchange(tb, o, a, func(p *mmsjson.Provider) sinch.Outcome { return p.Send(tb.Context(), m) })
}

// exchange makes one call against a server with one answer.
func exchange(tb testing.TB, o mmsjson.Options, a answer, call func(*mmsjson.Provider) sinch.Outcome) (sinch.Outcome, request) {
	tb.Helper()
	got := make(chan request, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.URL.RequestURI(), r.Header.Clone(), body}
		maps.Copy(w.Header(), a.header)
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	tb.Cleanup(server.Close)
	o.BaseURL = server.URL
	o.Client = wire.New(wire.Options{})
	tb.Cleanup(o.Client.Close)
	outcome := call(mmsjson.New(o))
	if len(got) != 1 {
		tb.Fatalf("%d requests, want 1", len(got))
	}
	return outcome, <-got
}

// photo is a message with one picture.
func photo() sinch.Message {
	return sinch.Message{
		Ref: "msg_1a2b-1", To: "+12065551212", From: "+12015555555", Text: "Hello & <bye>",
		Media: []sinch.Medium{{URL: "https://media.example.com/a.jpg?x=1&y=2"}}, Deadline: time.Now().Add(10 * time.Second),
	}
}
