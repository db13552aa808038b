package client

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is an http.RoundTripper that answers each request with the next of its
// responses, and records the requests.
type service struct {
	mu        sync.Mutex
	responses []response
	requests  []received
}

type response struct {
	status int // 0: the connection breaks
	header map[string]string
	body   string
	err    error
}

type received struct {
	line, body string
	header     http.Header
	at         time.Time
}

// RoundTrip implements http.RoundTripper.
func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := []byte{}
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	s.requests = append(s.requests, received{
		line: req.Method + " " + req.URL.RequestURI(), body: string(body), header: req.Header, at: time.Now(),
	})
	if len(s.responses) == 0 {
		return nil, errors.New("more requests than expected")
	}
	next := s.responses[0]
	s.responses = s.responses[1:]
	if next.err != nil {
		return nil, next.err
	}
	res := &http.Response{
		StatusCode: next.status, Status: fmt.Sprint(next.status, " ", http.StatusText(next.status)), Request: req,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(next.body)), ProtoMajor: 1, ProtoMinor: 1,
	}
	for name, value := range next.header {
		res.Header.Set(name, value)
	}
	return res, nil
}

var (
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
)

const queued = `{"id":"msg_1","status":"queued","to":"+12065551212","updatedAt":"2026-03-01T12:00:00.000Z","timeline":[]}`

// of returns a client of a service with these responses.
func of(t *testing.T, opts Options, responses ...response) (*Client, *service) {
	t.Helper()
	s := &service{responses: responses}
	opts.HTTPClient = &http.Client{Transport: s}
	c, err := New("https://mms.example.com/base/", "mms_test_1", opts)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}
