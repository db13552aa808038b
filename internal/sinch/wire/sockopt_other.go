//go:build !linux

package wire

import "syscall"

// userTimeout has no counterpart here: the kernel's own limits hold.
func userTimeout(_, _ string, _ syscall.RawConn) error { return nil }
