// Package wire makes the HTTP calls to Sinch, each exactly once, and keeps the
// evidence of what left: a call that failed before a byte of it was written
// was surely not sent, and every other failure leaves the outcome unknown.
package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// The client's limits.
const (
	// maxAnswer is how much of an answer is read, in bytes. Sinch's are well
	// below; a page of a proxy may not be.
	maxAnswer = 1 << 20
	// idleTimeout is how long an unused connection is kept: shorter than
	// servers and load balancers commonly do (60 s), so that it is seldom them
	// who close first.
	idleTimeout = 30 * time.Second
	keepAlive   = 15 * time.Second
	dialTimeout = 5 * time.Second
)

// NotSentError says that surely nothing of the call has left.
type NotSentError struct{ Err error }

// Error implements error. The text names no URL: it could hold a secret.
func (e *NotSentError) Error() string { return "not sent: " + describe(e.Err) }

// Unwrap returns the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// UnknownError says that some of the call may have arrived.
type UnknownError struct{ Err error }

// Error implements error.
func (e *UnknownError) Error() string { return "outcome unknown: " + describe(e.Err) }

// Unwrap returns the cause.
func (e *UnknownError) Unwrap() error { return e.Err }

// describe names a failure without quoting what it was about.
func describe(err error) string {
	var netErr net.Error
	var opErr *net.OpError
	switch {
	case errors.Is(err, errTooLate):
		return "its time was over"
	case errors.Is(err, context.Canceled):
		return "given up"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.As(err, &opErr) && opErr.Op == "dial":
		return "no connection"
	default:
		return "connection failed"
	}
}

// Request is one call.
type Request struct {
	Method   string
	URL      string
	Header   http.Header
	Body     []byte
	Deadline time.Time // local time after which no byte may leave; zero: none
}

// Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Options are the client's settings.
type Options struct {
	// Connections is how many are kept open while idle.
	Connections int
	// TLS replaces the system's trust, for tests.
	TLS *tls.Config
}

// Client makes calls.
type Client struct {
	http  *http.Client
	clock clock
}

// New makes a client. It speaks HTTP/1.1 only, since the evidence needs one
// call on a connection at a time, and it follows no redirect, since 307 and
// 308 would repeat the call somewhere else. A proxy is taken from the
// environment; behind one, evidence is about what the proxy got.
func New(o Options) *Client {
	c := &Client{clock: time.Now}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive, Control: userTimeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err //nolint:wrapcheck // net/http looks at it
			}
			return &guardedConn{Conn: conn, clock: func() time.Time { return c.clock() }}, nil
		},
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: dialTimeout,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConns:        o.Connections,
		MaxIdleConnsPerHost: o.Connections,
		IdleConnTimeout:     idleTimeout,
	}
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do makes one call and reads its answer. The error is a *NotSentError or an
// *UnknownError.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	if !r.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	seen := &evidence{deadline: r.Deadline}
	req, err := seen.request(ctx, r)
	if err != nil {
		return Response{}, &NotSentError{Err: err}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Response{}, seen.judge(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end, or given up
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Response{}, &UnknownError{Err: err}
	}
	return Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// evidence is what was seen of one call.
type evidence struct {
	deadline time.Time

	mu   sync.Mutex
	conn *guardedConn // nil: none was obtained for the last try
	lost bool         // a connection without a guard: nothing is known
	past int64        // bytes written on connections of earlier tries
}

// request makes the request such that net/http cannot repeat it silently: its
// body cannot be read twice.
func (e *evidence) request(ctx context.Context, r Request) (*http.Request, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: e.getConn, GotConn: e.gotConn})
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if r.Header != nil {
		req.Header = r.Header
	}
	if len(r.Body) == 0 {
		req.Body = http.NoBody
	}
	req.GetBody = nil
	return req, nil
}

func (e *evidence) getConn(string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		e.past += e.conn.seal()
	}
	e.conn = nil
}

func (e *evidence) gotConn(info httptrace.GotConnInfo) {
	conn := guarded(info.Conn)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn, e.lost = conn, conn == nil
	if conn != nil {
		conn.begin(e.deadline)
	}
}

// judge says what a failure means.
func (e *evidence) judge(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	untouched := !e.lost && e.past == 0 && (e.conn == nil || e.conn.seal() == 0)
	if untouched {
		return &NotSentError{Err: err}
	}
	return &UnknownError{Err: err}
}
