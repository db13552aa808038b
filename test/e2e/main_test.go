package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// stacks is how many tests run at once by default: they mostly wait, but four
// processes and a Redis of each must still answer within their deadlines on two
// cores.
const stacks = "4"

// bin is the directory of the built programs. TestMain sets it once, before any
// test runs.
var bin string

func TestMain(m *testing.M) { goleak.VerifyTestMain(built{m}) }

// built runs the tests with the programs built.
type built struct{ tests *testing.M }

func (b built) Run() int {
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := build(dir); err != nil {
		return fail(err)
	}
	bin = dir
	flag.Parse()
	if !isSet("test.parallel") {
		if err := flag.Set("test.parallel", stacks); err != nil {
			return fail(err)
		}
	}
	return b.tests.Run()
}

func build(dir string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, raceFlags()...)
	cmd := exec.Command("go", append(args, "./cmd/api", "./cmd/worker", "./cmd/mmsctl")...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}

func isSet(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}
