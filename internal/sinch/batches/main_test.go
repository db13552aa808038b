package batches_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is when the tests take place.
var now = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// answer is what the other side says.
type answer struct {
	status int
	header http.Header
	body   string
}

// request is what the other side got.
type request struct {
	*http.Request

	body []byte
}

// server gives its answers in turn, the last one again and again.
type server struct {
	url string

	mu  sync.Mutex
	got []request
}

func serve(tb testing.TB, answers ...answer) *server {
	tb.Helper()
	s := &server{}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		a := answers[min(len(s.got), len(answers)-1)]
		s.got = append(s.got, request{r, body})
		s.mu.Unlock()
		maps.Copy(w.Header(), a.header)
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	tb.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func (s *server) provider(tb testing.TB, o batches.Options) *batches.Provider {
	tb.Helper()
	o.BaseURL, o.Client = s.url, wire.New(wire.Options{})
	tb.Cleanup(o.Client.Close)
	return batches.New(o).At(now)
}

// sent is the body of the one call that a message leads to.
func sent(tb testing.TB, o batches.Options, m sinch.Message) map[string]any {
	tb.Helper()
	s := serve(tb, answer{status: http.StatusCreated, body: created})
	if got := s.provider(tb, o).Send(tb.Context(), m); got.Kind != sinch.Accepted {
		tb.Fatalf("outcome %+v", got)
	}
	if len(s.requests()) != 1 {
		tb.Fatalf("%d requests, want 1", len(s.requests()))
	}
	return decoded(tb, s.requests()[0].body)
}

func decoded(tb testing.TB, data []byte) map[string]any {
	tb.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatalf("%s: %v", data, err)
	}
	return v
}

const created = `{"id":"01FC66621XXXXX119Z8PMV1QPQ","to":["12065551212"],"canceled":false,"type":"mt_media"}`

// photo is a message with one picture.
func photo() sinch.Message {
	return sinch.Message{
		Ref: "msg_1a2b-1", To: "+12065551212", From: "+12015555555", Text: "Hello",
		Media: []sinch.Medium{{URL: "https://media.example.com/a.jpg?x=1&y=2"}}, Deadline: time.Now().Add(10 * time.Second),
	}
}
