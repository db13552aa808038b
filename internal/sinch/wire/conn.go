package wire

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errTooLate is returned by a connection that is asked to write after the call
// it carries has ended.
var errTooLate = errors.New("deadline of the call has passed")

// guardedConn carries one call at a time. It knows how many bytes of the call
// have left, and lets none leave after the call's deadline: a process that was
// frozen and wakes up late cannot send. It lies below TLS, so that what it
// counts is what the network saw.
//
// One window is left: a process frozen between the check and the system call
// right behind it sends that one piece when it wakes up.
type guardedConn struct {
	net.Conn

	now func() time.Time

	mu       sync.Mutex
	deadline time.Time     // zero: no call, handshakes may pass
	resends  time.Duration // how long the kernel tries to deliver written bytes; zero: its default
	sealed   bool          // the call was judged: nothing more of it may leave
	written  int64         // of the call, those in the middle of a write included
}

// begin arms the connection for one call.
func (c *guardedConn) begin(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.written, c.sealed = deadline, 0, false
	if !deadline.IsZero() {
		c.boundResending(deadline.Sub(c.now()))
	}
}

// boundResending has the kernel give up before a call's time is over. Calls of
// one connection have about the same time, so that most find the bound set.
func (c *guardedConn) boundResending(left time.Duration) {
	const early = 10 // the share of the time by which it may give up too soon
	if c.resends > left || c.resends < left-left/early {
		c.resends = left - left/(2*early)
		boundResending(c.Conn, c.resends)
	}
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

// claim counts bytes as written before they are, so that a call that is judged
// during the write does not count as not sent.
func (c *guardedConn) claim(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed || (!c.deadline.IsZero() && past(c.now(), c.deadline)) {
		return errTooLate
	}
	c.written += int64(n)
	return nil
}

// past compares by the monotonic clock and by the wall clock: the first stands
// still while a machine is suspended, the second can be set back.
func past(now, deadline time.Time) bool {
	return !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))
}

// guarded finds the guarded connection below a connection: below TLS, and below
// TLS in the tunnel of a proxy that is itself reached by TLS.
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
