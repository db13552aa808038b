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

// refusal is the answer to a connection beyond the bound, whatever it asks for.
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
	// refusalsAtOnce is how many refused connections are answered at a time; others
	// are closed without an answer.
	refusalsAtOnce = 64
)

// Options are the settings of a listener.
type Options struct {
	// Max is how many connections are open at a time.
	Max int64
	// TLS is for the answer to a refused connection, which is HTTP/1.1; nil: plain.
	// The listener hands out connections without TLS in either case.
	TLS *tls.Config
	// RefusedFunc is called for each connection that is refused; nil: not called.
	RefusedFunc func()
}

// listener hands out at most a number of connections at a time.
type listener struct {
	net.Listener

	opts           Options
	open, refusals *semaphore.Weighted
}

// New bounds the connections that inner hands out at a time. A connection beyond
// is answered 503 and closed.
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

// refuse answers, and reads what comes until the caller closes: a connection that
// is closed with unread data resets, and the answer is lost.
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

// conn gives its place back when it is closed.
type conn struct {
	net.Conn

	free func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.free()
	return c.Conn.Close() //nolint:wrapcheck // the connection's own
}

// CloseWrite lets package http close a connection without losing its last answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
