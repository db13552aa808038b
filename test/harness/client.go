package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Client makes requests whose answers are read whole.
type Client struct{ http *http.Client }

// NewClient returns a client whose requests end after timeout; the clean-up of
// the test closes its connections.
func NewClient(tb testing.TB, timeout time.Duration) *Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	tb.Cleanup(transport.CloseIdleConnections)
	return &Client{http: &http.Client{Transport: transport, Timeout: timeout}}
}

// Answer is the answer of an HTTP server.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// OK reports whether the status is 200.
func (a Answer) OK() bool { return a.Status == http.StatusOK }

func (a Answer) String() string { return fmt.Sprintf("%d %s", a.Status, a.Body) }

// Header is one header of a request; an empty value removes the default.
type Header struct{ Name, Value string }

// Bearer is the header that authenticates a caller.
func Bearer(key string) Header { return Header{Name: "Authorization", Value: "Bearer " + key} }

// Get makes a GET request.
func (c *Client) Get(ctx context.Context, url string, headers ...Header) (Answer, error) {
	return c.Do(ctx, http.MethodGet, url, nil, headers...)
}

// Do makes one request. A body is nothing, text as it stands, or a value to be
// sent as JSON.
func (c *Client) Do(ctx context.Context, method, url string, body any, headers ...Header) (Answer, error) {
	content, err := reader(body)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return Answer{}, fmt.Errorf("make request: %w", err)
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		if req.Header.Set(h.Name, h.Value); h.Value == "" {
			req.Header.Del(h.Name)
		}
	}
	begin := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("do request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		err = fmt.Errorf("read answer: %w", err)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: text, Took: time.Since(begin)}, err
}

func reader(body any) (io.Reader, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil //nolint:nilnil // no body
	case string:
		return strings.NewReader(b), nil
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
		return bytes.NewReader(text), nil
	}
}
