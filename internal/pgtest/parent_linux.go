package pgtest

import "syscall"

// dieWithParent makes the kernel end the server when the test process dies without
// cleaning up, as it does on a test timeout.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
