package harness

import (
	"errors"

	"golang.org/x/sys/unix"
)

// awaitStopped returns when every thread of a child process has stopped: SIGSTOP
// reaches the threads of a busy machine one after another, and kill(2) does not
// wait for them. WNOWAIT leaves the exit status to the caller's own wait.
func awaitStopped(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
