package e2e_test

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
	freePorts  = harness.NewPorts(11000, 8000)
	numberPool harness.Numbers
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(harness.Suite{Tests: m, Bin: &bin, BuildFlags: harness.RaceFlags()})
}

func launch(t *testing.T, name string, env map[string]string, program string, args ...string) *harness.Program {
	t.Helper()
	return harness.Launch(t, name, env, filepath.Join(bin, program), args...)
}
