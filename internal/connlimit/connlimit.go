// Package connlimit bounds the connections of an HTTP listener.
package connlimit

import (
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

// listener hands out at most a number of connections at a time.
type listener struct {
	net.Listener

	open, refusals *semaphore.Weighted
	refusedFunc    func()
}

// New bounds the connections that inner hands out at a time. A connection beyond
// is answered 503 and closed, and refusedFunc is called.
func New(inner net.Listener, most int64, refusedFunc func()) net.Listener {
	return &listener{
		Listener: inner, open: semaphore.NewWeighted(most), refusals: semaphore.NewWeighted(refusalsAtOnce), refusedFunc: refusedFunc,
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
		l.refusedFunc()
		if !l.refusals.TryAcquire(1) {
			_ = accepted.Close()
			continue
		}
		go func() {
			defer l.refusals.Release(1)
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
