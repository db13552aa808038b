package app

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// cannotListen says why an address cannot be listened on, in terms of the
// variable that sets it.
func cannotListen(variable, value string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %s is taken by another process: stop that one, or set %[1]s to another", variable, value)
	}
	if cause, ok := errors.AsType[*net.OpError](err); ok {
		err = cause
	}
	return fmt.Errorf("%s: %w", variable, err)
}
