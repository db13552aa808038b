//go:build unix && !linux

package pgtest

import "syscall"

// dieWithParent has no counterpart here: a test process that is killed leaves its
// servers behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
