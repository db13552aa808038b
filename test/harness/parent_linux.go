package harness

import "syscall"

// dieWithParent makes the kernel end a program when the test process dies
// without cleaning up, as it does on a test timeout.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
