//go:build !linux

package chaos_test

import "syscall"

// dieWithParent has no counterpart here: a test process that is killed leaves
// its programs behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
