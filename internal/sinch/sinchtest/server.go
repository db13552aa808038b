// Package sinchtest runs the tests that all adapters of Sinch's APIs share: a
// server with scripted responses, and a table of responses with the outcome of
// the call and the state of the message afterwards.
package sinchtest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"mmsdispatch/internal/sinch/wire"
)

// Answer is a response of Sinch.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request is a request that the server got.
type Request struct {
	*http.Request

	Body []byte
}

// Server sends its answers in order and repeats the last one. A path can have its
// own answers.
type Server struct {
	URL string

	mu      sync.Mutex
	answers map[string][]Answer
	got     map[string][]Request
}

// anyPath is the key of paths without their own answers.
const anyPath = ""

// Serve starts a server that runs until the test ends.
func Serve(tb testing.TB, answers ...Answer) *Server {
	tb.Helper()
	s := &Server{answers: map[string][]Answer{anyPath: answers}, got: map[string][]Request{}}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := s.next(Request{r, body})
		maps.Copy(w.Header(), a.Header)
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, a.Body)
	}))
	tb.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// On sets the answers of a path.
func (s *Server) On(path string, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answers
}

func (s *Server) next(r Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.Path
	if _, ok := s.answers[path]; !ok {
		path = anyPath
	}
	answers := s.answers[path]
	a := answers[min(len(s.got[path]), len(answers)-1)]
	s.got[path] = append(s.got[path], r)
	return a
}

// Requests returns the requests to paths without their own answers.
func (s *Server) Requests() []Request { return s.RequestsTo(anyPath) }

// RequestsTo returns the requests to a path with its own answers.
func (s *Server) RequestsTo(path string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[path]
}

// Client returns a client whose connections are closed when the test ends.
func Client(tb testing.TB) *wire.Client {
	tb.Helper()
	client := wire.New(wire.Options{})
	tb.Cleanup(client.Close)
	return client
}
