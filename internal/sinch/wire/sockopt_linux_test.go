package wire

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel drops written bytes at the deadline of the call.
func TestKernelGivesUpWithTheCall(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	now := time.Now()
	guard := &guardedConn{Conn: conn, now: func() time.Time { return now }}
	for _, left := range []time.Duration{
		7 * time.Second, 7100 * time.Millisecond, 6900 * time.Millisecond, 6 * time.Second, 9 * time.Second,
		1500 * time.Microsecond, time.Microsecond, -time.Second, 30 * time.Second,
	} {
		guard.begin(now.Add(left))
		socket, ok := conn.(*net.TCPConn)
		if !ok {
			t.Fatalf("a %T is not TCP", conn)
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got int
		var failed error
		if err := raw.Control(func(fd uintptr) {
			got, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		}); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		if least, most := int(left.Milliseconds()*9/10), max(int(left.Milliseconds()), 1); got < least || got > most {
			t.Errorf("%s left: %d ms, want %d to %d", left, got, least, most)
		}
	}
}
