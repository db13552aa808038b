package harness

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed testdata/moved.go.txt
var movedSource []byte

// errClock: the source of package time differs from the version the overlay is for.
var errClock = errors.New("package time of this Go reads the clock in another way")

// MovableClock writes an overlay of package time into dir, and returns the
// arguments of go build that use it: a program built with them adds the offset in
// the file that CLOCK_OFFSET names to its wall clock. No other build has it.
func MovableClock(dir string) ([]string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find GOROOT: %w", err)
	}
	std := filepath.Join(string(bytes.TrimSpace(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		return nil, fmt.Errorf("read package time: %w", err)
	}
	reads, moved := []byte("sec, nsec, mono := runtimeNow()"), []byte("sec, nsec, mono := movedNow()")
	if !bytes.Contains(source, reads) {
		return nil, errClock
	}
	replace := make(map[string]string)
	for name, text := range map[string][]byte{"time.go": bytes.ReplaceAll(source, reads, moved), "moved.go": movedSource} {
		replace[filepath.Join(std, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("write overlay: %w", err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, fmt.Errorf("write overlay: %w", err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return nil, fmt.Errorf("write overlay: %w", err)
	}
	return []string{"-overlay=" + file}, nil
}
