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

// Clock moves the wall clock of a server while it runs.
type Clock struct {
	tb      testing.TB
	library string
	offset  string // file that holds the offset
}

// NewClock makes a clock that shows the system's time. It builds the library that
// the server preloads, and skips the test where there is no C compiler for it.
func NewClock(tb testing.TB) *Clock {
	tb.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		tb.Skip("redistest: a clock needs a C compiler (cc)")
	}
	dir := tb.TempDir()
	c := &Clock{tb: tb, library: filepath.Join(dir, "clock.so"), offset: filepath.Join(dir, "offset")}
	source := filepath.Join(dir, "clock.c")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	build := exec.CommandContext(tb.Context(), compiler, "-shared", "-fPIC", "-O2", "-o", c.library, source)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("redistest: build clock: %v\n%s", err, out)
	}
	c.Move(0)

	return c
}

// Move sets by how much the server's clock is ahead of the system's; negative:
// behind it.
func (c *Clock) Move(ahead time.Duration) {
	c.tb.Helper()
	file, err := os.OpenFile(c.offset, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		c.tb.Fatalf("redistest: move clock: %v", err)
	}
	defer func() { _ = file.Close() }()
	// The server maps the file: it has to be the same one.
	if err := binary.Write(file, binary.NativeEndian, int64(ahead)); err != nil {
		c.tb.Fatalf("redistest: move clock: %v", err)
	}
}

// WithClock starts a server whose time a clock shows.
func WithClock(c *Clock) Option {
	return func(s *settings) {
		s.env = append(s.env, "LD_PRELOAD="+c.library, "CLOCK_OFFSET="+c.offset)
	}
}
