package wire

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errTooLate is returned by a write after the end of the connection's call.
var errTooLate = errors.New("deadline of the call has passed")

// guardedConn carries one call at a time. It counts the bytes of the call that were
// written, and writes none after the call's deadline: a process that was frozen and
// resumes late cannot send. It is below TLS, so it counts the bytes on the network.
//
// One window is left: a process frozen between the check and the following system
// call sends that chunk when it resumes.
type guardedConn struct {
	net.Conn

	now func() time.Time

	mu       sync.Mutex
	deadline time.Time     // zero: no call, handshakes may pass
	resends  time.Duration // time the kernel tries to deliver written bytes; zero: its default
	sealed   bool          // the outcome of the call was decided: no more of it may be written
	written  int64         // of the call, bytes of a running write included
}

// begin assigns the connection to one call.
func (c *guardedConn) begin(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.written, c.sealed = deadline, 0, false
	if !deadline.IsZero() {
		c.boundResending(deadline.Sub(c.now()))
	}
}

// boundResending makes the kernel drop unsent data before a call's deadline. Calls of
// one connection have about the same timeout, so for most the bound is already set.
func (c *guardedConn) boundResending(left time.Duration) {
	const early = 10 // a tenth of the timeout: the tolerance of an earlier bound
	if c.resends > left || c.resends < left-left/early {
		c.resends = left - left/(2*early)
		boundResending(c.Conn, c.resends)
	}
}

// seal ends the call: no more bytes are written. It returns the number of bytes that
// may have been written since begin.
func (c *guardedConn) seal() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	return c.written
}

// Write implements net.Conn. The check is immediately before the system call.
func (c *guardedConn) Write(p []byte) (int, error) {
	if err := c.claim(len(p)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.written -= int64(len(p) - n)
	c.mu.Unlock()
	return n, err //nolint:wrapcheck // net/http inspects the errors of connections
}

// claim counts bytes before they are written, so that a call that is sealed during
// the write does not count as not sent.
func (c *guardedConn) claim(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed || (!c.deadline.IsZero() && past(c.now(), c.deadline)) {
		return errTooLate
	}
	c.written += int64(n)
	return nil
}

// past compares by the monotonic clock, which stops while a machine is suspended, and
// by the wall clock, which can be set back.
func past(now, deadline time.Time) bool {
	return !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))
}

// guarded returns the guarded connection below a connection: below TLS, or below TLS
// in the tunnel of a proxy that is itself reached by TLS.
func guarded(conn net.Conn) *guardedConn {
	for {
		switch c := conn.(type) {
		case *guardedConn:
			return c
		case interface{ NetConn() net.Conn }: // *tls.Conn
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
