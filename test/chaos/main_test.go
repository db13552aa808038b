package chaos_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Flags of the long run: go test ./test/chaos -args -chaos.for=10m -chaos.seed=7.
var (
	chaosFor  = flag.Duration("chaos.for", 12*time.Second, "how long the schedule breaks things")
	chaosSeed = flag.Uint64("chaos.seed", 0, "seed of the schedule; 0: a new one, which is printed")
)

// stacks is how many tests run at once by default, each with its own Redis and
// up to six processes.
const stacks = "4"

// bin is the directory of the built programs. TestMain sets it once, before any
// test runs.
var bin string

func TestMain(m *testing.M) { goleak.VerifyTestMain(built{m}) }

// built runs the tests with the programs built.
type built struct{ tests *testing.M }

func (b built) Run() int {
	dir, err := os.MkdirTemp("", "chaos-")
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
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/api", "./cmd/worker", "./cmd/mmsctl")
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
	fmt.Fprintln(os.Stderr, "chaos:", err)
	return 1
}
