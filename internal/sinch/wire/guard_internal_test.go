package wire

import (
	"errors"
	"net"
	"net/http/httptrace"
	"testing"
	"time"
	"unsafe"
)

// monotonicOnly moves the monotonic reading of a time and not its wall clock, as
// suspending a machine or setting its clock does. Package time has no function for
// it; the second of the three words of a Time is the reading.
func monotonicOnly(tb testing.TB, at time.Time, d time.Duration) time.Time {
	tb.Helper()
	moved := at
	(*[3]int64)(unsafe.Pointer(&moved))[1] += int64(d)
	if moved.Sub(at) != d || !moved.Round(0).Equal(at.Round(0)) {
		tb.Fatal("the inside of time.Time has changed")
	}
	return moved
}

// Either clock alone ends a call: the monotonic one stands still while a
// machine is suspended, the wall clock can be set back.
func TestPast(t *testing.T) {
	t.Parallel()
	now := time.Now()
	in10s := now.Add(10 * time.Second)
	for name, tc := range map[string]struct {
		now, deadline time.Time
		want          bool
	}{
		"before":                  {now, now.Add(time.Nanosecond), false},
		"at the deadline":         {now, now, true},
		"after":                   {now, now.Add(-time.Nanosecond), true},
		"after, by monotonic":     {monotonicOnly(t, now, 11*time.Second), in10s, true},
		"after, by wall clock":    {monotonicOnly(t, now.Add(11*time.Second), -11*time.Second), in10s, true},
		"before, by both, apart":  {monotonicOnly(t, now, 5*time.Second), in10s, false},
		"deadline without either": {now, now.Add(time.Second).Round(0), false},
	} {
		if got := past(tc.now, tc.deadline); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// stuck is a connection whose writes block, and fail when they are released.
type stuck struct {
	net.Conn

	began, release chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	s.began <- struct{}{}
	<-s.release
	return 0, errors.New("failed")
}

// During a write the number of sent bytes is unknown, so seal counts all of them,
// and a write after seal fails.
func TestSealInTheMiddleOfAWrite(t *testing.T) {
	t.Parallel()
	s := &stuck{began: make(chan struct{}), release: make(chan struct{})}
	c := &guardedConn{Conn: s, now: time.Now}
	c.begin(time.Now().Add(time.Hour))
	done := make(chan error)
	go func() { _, err := c.Write([]byte("call")); done <- err }()
	<-s.began
	if got := c.seal(); got != 4 {
		t.Errorf("%d bytes may have left, want 4", got)
	}
	close(s.release)
	if err := <-done; err == nil {
		t.Error("the write did not fail")
	}
	if n, err := c.Write([]byte("more")); n != 0 || !errors.Is(err, errTooLate) {
		t.Errorf("wrote %d after the verdict, %v", n, err)
	}
	c.begin(time.Now().Add(time.Hour))
	if got := c.seal(); got != 0 {
		t.Errorf("%d bytes of a call that has not begun", got)
	}
}

// A connection without a guard proves nothing.
func TestGuarded(t *testing.T) {
	t.Parallel()
	c := &guardedConn{}
	for name, tc := range map[string]struct {
		conn net.Conn
		want *guardedConn
	}{
		"plain":        {c, c},
		"below a wrap": {wrap{wrap{c}}, c},
		"unguarded":    {&net.TCPConn{}, nil},
		"nothing":      {nil, nil},
	} {
		if got := guarded(tc.conn); got != tc.want {
			t.Errorf("%s: %p, want %p", name, got, tc.want)
		}
	}
}

// wrap hides a connection as *tls.Conn does.
type wrap struct{ net.Conn }

func (w wrap) NetConn() net.Conn { return w.Conn }

// A call on a connection without a guard may have been sent.
func TestNoEvidence(t *testing.T) {
	t.Parallel()
	seen := &evidence{phases: phases{now: time.Now}}
	seen.getConn("")
	seen.gotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
	if _, unknown := errors.AsType[*UnknownError](seen.judge(net.ErrClosed)); !unknown {
		t.Error("a call on an unguarded connection counts as not sent")
	}
}
