package ledger

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The positions that Go and Lua share have one name each: each script uses every
// name of its table, and reads no key and no argument by a number.
func TestPositionsHaveOneTable(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`(KEYS|ARGV)\[[^\]]*\b\d+\]`)
	files, err := scripts.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		script := strings.TrimSuffix(file.Name(), ".lua")
		source, err := scripts.ReadFile("lua/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if found := number.FindString(string(source)); found != "" {
			t.Errorf("%s.lua has a position of its own: %s", script, found)
		}
		p := positionsOf(script)
		if len(p.keys)+len(p.args) == 0 {
			t.Errorf("%s.lua has no table", script)
		}
		names := slices.Concat(p.keys, p.rowKeys, p.args, p.rowArgs)
		for i, name := range names {
			if name == "" {
				t.Errorf("%s: position %d has no name", script, i)
				continue
			}
			if slices.Index(names, name) != i {
				t.Errorf("%s: two positions have the name %s", script, name)
			}
			if !regexp.MustCompile(`\b` + name + `\b`).Match(source) {
				t.Errorf("%s.lua does not use %s", script, name)
			}
		}
	}
}
