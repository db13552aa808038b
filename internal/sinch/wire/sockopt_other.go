//go:build !linux

package wire

import (
	"net"
	"time"
)

// boundResending has no counterpart here: the kernel's own limits apply.
func boundResending(net.Conn, time.Duration) {}
