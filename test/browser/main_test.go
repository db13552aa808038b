package browser_test

import (
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/test/harness"
)

// bin is the directory of the built programs. TestMain sets it once, before any
// test runs.
var bin string

var (
	freePorts  = harness.NewPorts(22000, 2000)
	numberPool harness.Numbers
)

// version is that of the built programs, which the page of workers shows.
const version = "v1.4.2"

func TestMain(m *testing.M) {
	flags := slices.Concat(harness.RaceFlags(), []string{"-ldflags=-X mmsdispatch/internal/telemetry.version=" + version})
	goleak.VerifyTestMain(harness.Suite{Tests: m, Bin: &bin, BuildFlags: flags})
}

func built(name string) string { return filepath.Join(bin, name) }
