package telemetry_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fieldCall = regexp.MustCompile(`\b(?:Str|Strs|Int|Int64|Uint64|Float64|Dur|Bool|Bytes|Time|Any|Interface|Stringer)\("(\w+)", `)
	fieldRow  = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ")
)

// loggedFields are the names of the fields that lines of all rooms have.
func loggedFields(t *testing.T) map[string]bool {
	t.Helper()

	names := make(map[string]bool)

	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}

		source, err := os.ReadFile(path)
		for _, call := range fieldCall.FindAllSubmatch(source, -1) {
			names[string(call[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Each field of a log line has one name in all rooms, which docs/logging.md lists.
func TestLogFieldsAreListed(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}

	_, table, _ := strings.Cut(string(page), "## Fields")
	listed := make(map[string]bool)

	for _, row := range fieldRow.FindAllStringSubmatch(table, -1) {
		listed[row[1]] = true
	}

	logged := loggedFields(t)
	for _, name := range slices.Sorted(maps.Keys(logged)) {
		if !listed[name] {
			t.Errorf("docs/logging.md does not list %q", name)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !logged[name] {
			t.Errorf("docs/logging.md lists %q, which no line has", name)
		}
	}
}
