package conversation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is when the tests take place.
var now = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

const tokenPath = "/oauth2/token"

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

// server gives its answers in turn, the last one again and again: those for
// tokens, and those for everything else.
type server struct {
	url string

	mu     sync.Mutex
	tokens []answer
	others []answer
	got    []request
	asked  []request // for tokens
}

func serve(tb testing.TB, answers ...answer) *server {
	tb.Helper()
	s := &server{tokens: []answer{aToken("token-1", 3600)}, others: answers}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := s.answer(request{r, body})
		maps.Copy(w.Header(), a.header)
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	tb.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *server) answer(r request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, answers := &s.got, s.others
	if r.URL.Path == tokenPath {
		seen, answers = &s.asked, s.tokens
	}
	a := answers[min(len(*seen), len(answers)-1)]
	*seen = append(*seen, r)
	return a
}

// requests are those for anything but a token.
func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func (s *server) tokenRequests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *server) provider(tb testing.TB, o conversation.Options) *conversation.Provider {
	tb.Helper()
	o.BaseURL, o.AuthURL, o.Client = s.url, s.url+tokenPath, wire.New(wire.Options{})
	if o.ProjectID == "" {
		o.ProjectID, o.AppID, o.KeyID, o.KeySecret = "project", "app", "key", "key-secret"
	}
	tb.Cleanup(o.Client.Close)
	return conversation.New(o).At(func() time.Time { return now }).Pausing(func(context.Context, time.Duration) {})
}

func aToken(value string, seconds int) answer {
	const body = `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":""}`
	return answer{status: http.StatusOK, body: fmt.Sprintf(body, value, seconds)}
}

// sent is the body of the one call that a message leads to.
func sent(tb testing.TB, o conversation.Options, m sinch.Message) map[string]any {
	tb.Helper()
	s := serve(tb, answer{status: http.StatusOK, body: accepted})
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

const accepted = `{"message_id":"01EQBC1A3BEK731GY4YXEN0C2R","accepted_time":"2024-06-06T12:42:42.528Z"}`

// photo is a message with one picture.
func photo() sinch.Message {
	return sinch.Message{
		Ref: "msg_1a2b-1", To: "+12065551212", From: "+12015555555",
		Media: []sinch.Medium{{URL: "https://media.example.com/a.jpg?x=1&y=2"}}, Deadline: time.Now().Add(10 * time.Second),
	}
}
