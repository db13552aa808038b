package wire

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// boundResending makes the kernel drop unacknowledged data after d: bytes written
// before the deadline could otherwise arrive a quarter of an hour later. It is best
// effort; if it fails the kernel's own limits apply.
func boundResending(conn net.Conn, d time.Duration) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	ms := int(max(d.Milliseconds(), 1)) // zero would mean the kernel's default
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms)
	})
}
