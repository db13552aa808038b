//go:build !linux

package harness

import "syscall"

// dieWithParent has no counterpart here: a test process that is killed leaves
// its programs behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
