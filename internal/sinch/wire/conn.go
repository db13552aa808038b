package wire

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// errTooLate is returned by a connection that is asked to write after the
// deadline of the call it carries.
var errTooLate = errors.New("deadline of the call has passed")

// guardedConn carries one call at a time. It knows how many bytes of the call
// have left, and lets none leave after the call's deadline: a process that was
// frozen and wakes up late cannot send. It lies below TLS, so that what it
// counts is what the network saw.
type guardedConn struct {
	net.Conn
	clock clock

	mu       sync.Mutex
	deadline time.Time // zero: no call, handshakes may pass
	sealed   bool      // the call was judged: nothing more of it may leave
	written  int64     // of the call, those in the middle of a write included
}

// clock is the time, apart from tests.
type clock func() time.Time

// begin arms the connection for one call.
func (c *guardedConn) begin(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.written, c.sealed = deadline, 0, false
}

// seal ends the call: from now on nothing leaves, and what it returns, how
// many bytes may have left since begin, stays true.
func (c *guardedConn) seal() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	return c.written
}

// Write implements net.Conn. The check stands right before the system call.
func (c *guardedConn) Write(p []byte) (int, error) {
	if err := c.claim(len(p)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.written -= int64(len(p) - n)
	c.mu.Unlock()
	return n, err //nolint:wrapcheck // net/http looks at the errors of connections
}

// claim counts bytes as gone before they are, so that a judge who comes in the
// middle of the write does not take them for unsent.
func (c *guardedConn) claim(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed || (!c.deadline.IsZero() && past(c.clock(), c.deadline)) {
		return errTooLate
	}
	c.written += int64(n)
	return nil
}

// past compares by the monotonic clock and by the wall clock: the first stands
// still while a virtual machine is paused, the second can be set back.
func past(now, deadline time.Time) bool {
	return !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))
}

// guarded finds the guarded connection below a connection.
func guarded(conn net.Conn) *guardedConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	g, ok := conn.(*guardedConn)
	if !ok {
		return nil
	}
	return g
}
