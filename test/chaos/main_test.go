package chaos_test

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/test/harness"
)

// Flags of the long run: go test ./test/chaos -args -chaos.for=10m -chaos.seed=7.
var (
	chaosFor    = flag.Duration("chaos.for", 12*time.Second, "how long the schedule injects faults")
	chaosClocks = flag.Bool("chaos.clocks", false, "move the clocks of Redis and of every process, which are built for it")
	chaosSeed   = flag.Uint64("chaos.seed", 0, "seed of the schedule; 0: a new one, which is printed")
)

// bin is the directory of the built programs. TestMain sets it once, before any
// test runs.
var bin string

var (
	freePorts  = harness.NewPorts(61000, 4000)
	numberPool harness.Numbers
)

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(harness.Suite{Tests: m, Bin: &bin, MovableClock: *chaosClocks})
}

func built(name string) string { return filepath.Join(bin, name) }
