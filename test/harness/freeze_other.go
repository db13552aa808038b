//go:build !linux

package harness

import "time"

// awaitStopped waits long enough for SIGSTOP to reach every thread of a machine
// that is not busy: only Linux reports when all of them have stopped.
func awaitStopped(int) error {
	time.Sleep(100 * time.Millisecond)
	return nil
}
