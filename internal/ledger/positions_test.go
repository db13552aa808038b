package ledger

import (
	"regexp"
	"slices"
	"testing"
)

// The positions that Go and Lua share have one name each: Lua uses every one of
// them, and takes no key and no argument by a number of its own.
func TestPositionsHaveOneTable(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`(KEYS|ARGV)\[\s*\d`)
	for _, script := range []string{"accept", "put"} {
		source, err := scripts.ReadFile("lua/" + script + ".lua")
		if err != nil {
			t.Fatal(err)
		}
		if found := number.FindString(string(source)); found != "" {
			t.Errorf("%s.lua has a position of its own: %s", script, found)
		}
		p := positionsOf(script)
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
