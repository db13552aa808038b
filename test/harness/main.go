package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// stacks is how many tests run at once by default: they mostly wait, but the
// processes of each must still answer within their deadlines on two cores.
const stacks = "4"

// Suite is a test package whose tests run the built programs.
type Suite struct {
	Tests interface{ Run() int }
	// Bin receives the directory of the built programs.
	Bin *string
	// BuildFlags are further arguments of go build.
	BuildFlags []string
	// MovableClock builds the programs as MovableClock does.
	MovableClock bool
}

// Run builds the programs, runs the tests and removes the programs again. It
// implements the interface of goleak.VerifyTestMain.
func (s Suite) Run() int {
	dir, err := os.MkdirTemp("", "programs-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var movable []string
	if s.MovableClock {
		overlay, err := os.MkdirTemp("", "overlay-")
		if err != nil {
			return fail(err)
		}
		defer func() { _ = os.RemoveAll(overlay) }()
		flags, err := MovableClock(overlay)
		if err != nil {
			return fail(err)
		}
		movable = flags
	}
	if err := Build(dir, slices.Concat(s.BuildFlags, movable)...); err != nil {
		return fail(err)
	}
	*s.Bin = dir
	flag.Parse()
	if !isSet("test.parallel") {
		if err := flag.Set("test.parallel", stacks); err != nil {
			return fail(err)
		}
	}
	return s.Tests.Run()
}

// Build builds api, worker and mmsctl into dir. The working directory is that
// of a package two levels below the root, as it is in its tests.
func Build(dir string, flags ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...)
	cmd := exec.Command("go", append(args, "./cmd/api", "./cmd/worker", "./cmd/mmsctl")...)
	cmd.Dir = filepath.Join("..", "..")
	if !slices.Contains(flags, "-race") {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as they ship
	}
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
	fmt.Fprintln(os.Stderr, "harness:", err)
	return 1
}
