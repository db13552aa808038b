package app

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// cannotListen is the error for an address that cannot be opened, named by its
// variable.
func cannotListen(variable, value string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %s is in use by another process: stop that process, or set %[1]s to another value", variable, value)
	}
	if cause, ok := errors.AsType[*net.OpError](err); ok {
		err = cause
	}
	return fmt.Errorf("%s: %w", variable, err)
}
