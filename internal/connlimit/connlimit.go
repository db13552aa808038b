// Package connlimit bounds the connections of an HTTP listener.
package connlimit

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// refusal is the response to a connection beyond the bound, whatever its request.
const refusal = "HTTP/1.1 503 Service Unavailable\r\n" +
	"Connection: close\r\n" +
	"Retry-After: 1\r\n" +
	"Content-Type: application/problem+json\r\n" +
	"\r\n" +
	`{"type":"/docs#backpressure","title":"Too many connections","status":503,` +
	`"detail":"This process has as many connections as it serves at once; reuse those that are open, or try again.",` +
	`"code":"backpressure","requestId":""}`

const (
	// refusalTimeout bounds the answer to a refused connection.
	refusalTimeout = time.Second
	// refusalsAtOnce bounds the refused connections that get a response at a time;
	// others are closed without one.
	refusalsAtOnce = 64
)

// Options are the settings of a listener.
type Options struct {
	// Max bounds the open connections.
	Max int64
	// TLS is for the response to a refused connection, which is HTTP/1.1; nil:
	// plain. Accept returns connections without TLS in either case.
	TLS *tls.Config
	// RefusedFunc is called for each connection that is refused; nil: not called.
	RefusedFunc func()
}

// listener returns at most Max connections at a time.
type listener struct {
	net.Listener

	opts           Options
	open, refusals *semaphore.Weighted
}

// New bounds the open connections of inner. A connection beyond the bound gets a
// 503 and is closed.
func New(inner net.Listener, opts Options) net.Listener {
	if opts.RefusedFunc == nil {
		opts.RefusedFunc = func() {}
	}
	return &listener{
		Listener: inner, opts: opts, open: semaphore.NewWeighted(opts.Max), refusals: semaphore.NewWeighted(refusalsAtOnce),
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // package http compares it
		}
		if l.open.TryAcquire(1) {
			return &conn{Conn: accepted, free: sync.OnceFunc(func() { l.open.Release(1) })}, nil
		}
		l.opts.RefusedFunc()
		if !l.refusals.TryAcquire(1) {
			_ = accepted.Close()
			continue
		}
		go func() {
			defer l.refusals.Release(1)
			if l.opts.TLS != nil {
				accepted = tls.Server(accepted, l.opts.TLS)
			}
			refuse(accepted)
		}()
	}
}

// refuse responds, and reads until the caller closes: closing a connection with
// unread data resets it, and the response is lost.
func refuse(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(refusalTimeout))
	if _, err := io.WriteString(c, refusal); err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// conn is removed from the count when it is closed.
type conn struct {
	net.Conn

	free func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.free()
	return c.Conn.Close() //nolint:wrapcheck // the connection's own
}

// CloseWrite lets package http close a connection without losing its last
// response.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
