package docs_test

import (
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// bin is the directory of the built programs. TestMain sets it once, before any
// test runs.
var bin string

var freePorts = harness.NewPorts(20000, 2000)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(redistest.Main(harness.Suite{Tests: m, Bin: &bin}))
}
