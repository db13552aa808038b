// Package wire makes the HTTP calls to Sinch, each exactly once, and counts the
// bytes that were written: a call that failed before its first byte was not sent,
// and every other failure leaves the outcome unknown.
package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"mmsdispatch/internal/sinch"
)

// The client's limits.
const (
	// maxAnswer is the maximum of a response that is read, in bytes. Sinch's are much
	// smaller, a full page of a lookup included; a page of a proxy may not be.
	maxAnswer = 1 << 20
	maxHeader = 64 << 10
	// idleTimeout is the lifetime of an unused connection. It is below the
	// shortest keep-alive of common servers (5 s: Apache, Node; 60 s and more:
	// load balancers): the outcome of a call that is written while the server
	// closes the connection is unknown, and the MMS API has no lookup. A new
	// handshake costs a tenth of a second, in lanes that are nearly idle.
	idleTimeout = 4 * time.Second
	keepAlive   = 15 * time.Second
	dialTimeout = 5 * time.Second
)

// Request is one call.
type Request struct {
	Method   string
	URL      string
	Header   http.Header
	Body     []byte
	Deadline time.Time // local time after which no byte may be sent; zero: none
}

// Response is an answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // empty when Partial
	// Sent and Received are the times of the begin of the call and of the end of its
	// response, by the client's clock.
	Sent, Received time.Time
	// Partial: the body was cut off or exceeds the maximum; only the status is known.
	Partial bool
}

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Options are the client's settings. The zero value is for production.
type Options struct {
	// Connections is the maximum of idle connections: the number of concurrent calls.
	Connections int
	// TLS replaces the system's trust.
	TLS *tls.Config
	// Proxy replaces the one from the environment (HTTPS_PROXY, NO_PROXY).
	Proxy func(*http.Request) (*url.URL, error)
	// Dial replaces the system's dialer.
	Dial DialFunc
	// Now replaces the system's clock.
	Now func() time.Time
	// Skew, if not nil, is called with Response.Skew, at most once in skewEvery.
	Skew func(time.Duration)
}

// skewEvery is the shortest interval between two calls of Skew.
const skewEvery = 10 * time.Second

// Client makes calls.
type Client struct {
	transport *http.Transport
	now       func() time.Time
	skew      func(time.Duration)
	skewNext  atomic.Int64 // time of the next call of Skew, in Unix nanoseconds
}

// New makes a client. It speaks HTTP/1.1 only, since the evidence needs a
// connection to carry one call at a time. It follows no redirects: 307 and 308
// would repeat the call at another address, so a 3xx is a response like any other.
//
// Calls go through the proxy of the environment, and the evidence stays valid:
// CONNECT and both TLS handshakes happen before the connection is assigned to a
// call, so a call is not sent when the proxy is down or refuses. Only with a base
// URL without TLS the proxy itself reads the call, which then counts as sent.
func New(o Options) *Client {
	c := &Client{now: o.Now, skew: o.Skew}
	if c.now == nil {
		c.now = time.Now
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	only1 := new(http.Protocols)
	only1.SetHTTP1(true)
	c.transport = &http.Transport{
		Proxy:                  o.Proxy,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            c.guard(o.Dial),
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    dialTimeout,
		Protocols:              only1,
		DisableCompression:     true,
		MaxIdleConns:           o.Connections,
		MaxIdleConnsPerHost:    o.Connections,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        idleTimeout,
	}
	return c
}

// guard wraps every connection in a guardedConn.
func (c *Client) guard(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &guardedConn{Conn: conn, now: c.now}, nil
	}
}

// errProxy: the proxy did not open a tunnel to Sinch.
var errProxy = errors.New("proxy refused")

func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return errProxy
	}
	return nil
}

// Close closes the idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Do makes one call and reads its answer. It returns when the call is over or
// its deadline has passed. The error is a *NotSentError or an *UnknownError.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	if !r.Deadline.IsZero() {
		if past(c.now(), r.Deadline) {
			return Response{}, &NotSentError{Cause: CauseTooLate}
		}
		if end, ok := ctx.Deadline(); !ok || r.Deadline.Before(end) {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, r.Deadline)
			defer cancel()
		}
	}
	seen, sent := &evidence{deadline: r.Deadline, phases: phases{now: c.now}}, c.now()
	defer func() { sinch.PhasesOf(ctx).Report(seen.phases.finish()) }()
	req, err := request(seen.trace(ctx), r)
	if err != nil {
		return Response{}, &NotSentError{Cause: CauseRequest}
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return Response{}, seen.judge(err)
	}
	defer res.Body.Close()
	answer := Response{Status: res.StatusCode, Header: res.Header, Sent: sent}
	answer.Body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil || len(answer.Body) > maxAnswer {
		answer.Body, answer.Partial = nil, true
	}
	answer.Received = c.now()
	c.reportSkew(answer)
	return answer, nil
}

// reportSkew reports the skew of a response unless it was reported recently.
func (c *Client) reportSkew(r Response) {
	next := c.skewNext.Load()
	if c.skew == nil || r.Received.UnixNano() < next || r.Header.Get("Date") == "" {
		return
	}
	if c.skewNext.CompareAndSwap(next, r.Received.Add(skewEvery).UnixNano()) {
		c.skew(r.Skew())
	}
}

// request makes the request such that net/http cannot repeat it, which it does when
// a kept connection is dead, but only if it can read the body a second time (or the
// caller set an Idempotency-Key, which no adapter does). The length is known, so the body is not chunked.
func request(ctx context.Context, r Request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err //nolint:wrapcheck // replaced by the caller: it quotes the URL
	}
	if req.URL.Host == "" {
		return nil, errors.New("no host")
	}
	req.GetBody = nil
	if r.Header != nil {
		req.Header = r.Header
	}
	return req, nil
}
