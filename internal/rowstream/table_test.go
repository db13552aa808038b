package rowstream_test

import (
	"errors"
	"strings"
	"testing"

	"mmsdispatch/internal/rowstream"
)

// TestEndlessRowIsNamedByItsLine: by the line of the file in which it begins,
// whatever stands before it.
func TestEndlessRowIsNamedByItsLine(t *testing.T) {
	t.Parallel()
	const torn = "1,\"oops\n2,b\n"
	for name, c := range map[string]struct {
		before string
		line   int64
	}{
		"nothing":              {"", 2},
		"a mark":               {"\ufeff", 2},
		"empty lines":          {"\n\r\n", 4},
		"a row":                {"1,a\r\n", 3},
		"an empty line behind": {"1,a\n\n\n", 5},
		"a row of three lines": {"1,\"a\n\nb\"\n", 5},
		"a row without CSV":    {"1,a\"b\n", 3},
		"a line that is long":  {"1," + strings.Repeat("x", 200_000) + "\n", 3},
		"lines that are long":  {"1,\"" + strings.Repeat(strings.Repeat("x", 70_000)+"\n", 3) + "\"\n", 6},
	} {
		text := "to,text\n" + c.before + torn
		if name == "empty lines" { // before the header as well
			text, c.line = "\n\n"+text, c.line+2
		}
		if strings.HasPrefix(c.before, "\ufeff") {
			text = c.before + "to,text\n" + torn
		}
		table := rowstream.NewTable(strings.NewReader(text))
		if wrong := table.Begin(); len(wrong) > 0 {
			t.Errorf("%s: %v", name, wrong)
			continue
		}
		var err error
		for err == nil {
			_, err = table.Next()
		}
		if endless, ok := errors.AsType[*rowstream.EndlessError](err); !ok || endless.Line != c.line {
			t.Errorf("%s: %v, want line %d", name, err, c.line)
		}
	}
}
