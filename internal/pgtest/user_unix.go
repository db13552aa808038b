//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

var errNoUser = errors.New("there is neither a user postgres nor nobody to run PostgreSQL as")

// identity is the user that the server runs as; nil: that of the tests.
func identity() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // there is nothing to change
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errNoUser
}

// own gives a directory to the user that the server runs as.
func own(dir string) error {
	as, err := identity()
	if err != nil || as == nil {
		return err
	}
	if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
		return fmt.Errorf("own directory: %w", err)
	}
	return nil
}

// attributes make a process run as that user, and end with the tests where the
// system can do so.
func attributes() *syscall.SysProcAttr {
	attr := dieWithParent()
	attr.Credential, _ = identity() // own has reported the error
	return attr
}
