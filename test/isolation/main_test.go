package isolation_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/test/harness"
)

// bin is the directory of the built programs. TestMain sets it once, before any
// test runs.
var bin string

var (
	freePorts  = harness.NewPorts(19000, 900)
	numberPool harness.Numbers
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(harness.Suite{Tests: m, Bin: &bin})
}

func built(name string) string { return filepath.Join(bin, name) }
