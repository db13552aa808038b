package redistest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// Offset is the offset of processes' wall clocks, in a file that the processes map.
type Offset struct {
	tb   testing.TB
	path string
}

// NewOffset makes an offset of zero.
func NewOffset(tb testing.TB) *Offset {
	tb.Helper()
	o := &Offset{tb: tb, path: filepath.Join(tb.TempDir(), "offset")}
	o.Move(0)
	return o
}

// Path is the file of the offset, for the variable CLOCK_OFFSET.
func (o *Offset) Path() string { return o.path }

// Move sets the offset from the system's clock.
func (o *Offset) Move(ahead time.Duration) {
	o.tb.Helper()
	file, err := os.OpenFile(o.path, os.O_RDWR|os.O_CREATE, 0o600) // the processes map this file
	if err != nil {
		o.tb.Fatalf("redistest: move clock: %v", err)
	}
	defer func() { _ = file.Close() }()
	if err := binary.Write(file, binary.NativeEndian, int64(ahead)); err != nil {
		o.tb.Fatalf("redistest: move clock: %v", err)
	}
}

// Clock moves the wall clock of a server while it runs.
type Clock struct {
	*Offset

	library string
}

// NewClock makes a clock that shows the system's time. It builds the library that
// the server preloads, for which it needs a C compiler.
func NewClock(tb testing.TB) *Clock {
	tb.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		tb.Fatal("redistest: a C compiler (cc) is not on the PATH; install it: apt-get install gcc on Debian")
	}
	dir := tb.TempDir()
	c := &Clock{Offset: NewOffset(tb), library: filepath.Join(dir, "clock.so")}
	source := filepath.Join(dir, "clock.c")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	build := exec.CommandContext(tb.Context(), compiler, "-shared", "-fPIC", "-O2", "-o", c.library, source)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("redistest: build clock: %v\n%s", err, out)
	}
	return c
}

// WithClock starts a server whose time a clock shows.
func WithClock(c *Clock) Option {
	return func(s *settings) {
		s.env = append(s.env, "LD_PRELOAD="+c.library, "CLOCK_OFFSET="+c.Path())
	}
}
