package wire

import (
	"errors"
	"net"
	"testing"
	"time"
)

// Either clock alone ends a call: the monotonic one stands still while a
// machine is suspended, the wall clock can be set back.
func TestPast(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		now, deadline time.Time
		want          bool
	}{
		"before":                {now, now.Add(time.Nanosecond), false},
		"at the deadline":       {now, now, true},
		"after":                 {now, now.Add(-time.Nanosecond), true},
		"before, by wall alone": {now.Round(0), now.Add(time.Second), false},
		"after, by wall alone":  {now.Add(2 * time.Second).Round(0), now.Add(time.Second), true},
	} {
		if got := past(tc.now, tc.deadline); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// stuck is a connection whose writes wait, and fail once they may go on.
type stuck struct {
	net.Conn

	began, release chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	s.began <- struct{}{}
	<-s.release
	return 0, errors.New("failed")
}

// A judge who comes in the middle of a write cannot know how much of it left,
// and whoever comes to write after the judge is turned away.
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

// A connection that is not guarded is no evidence of anything.
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
