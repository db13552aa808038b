package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unackedFor bounds, in milliseconds, how long the kernel goes on sending what
// nobody acknowledges: what was written before the deadline could otherwise
// arrive a quarter of an hour after it.
const unackedFor = 10_000

func userTimeout(_, _ string, raw syscall.RawConn) error {
	var err error
	if ctl := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unackedFor)
	}); ctl != nil {
		return ctl //nolint:wrapcheck // the dialer wraps it
	}
	return err //nolint:wrapcheck // the dialer wraps it
}
