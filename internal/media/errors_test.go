package media

import (
	"os"
	"strings"
	"testing"
)

// TestEveryCodeHasAMeaning, for people and in the documentation.
func TestEveryCodeHasAMeaning(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/media.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(Codes()) != len(meanings) {
		t.Errorf("%d codes, %d meanings", len(Codes()), len(meanings))
	}
	for _, code := range Codes() {
		again := "no"
		if (&Error{Code: code}).Temporary() {
			again = "yes"
		}
		if meanings[code].text == "" {
			t.Errorf("%s means nothing", code)
		}
		line := "| `" + string(code) + "` | " + again + " |"
		if !strings.Contains(string(document), line) {
			t.Errorf("docs/media.md has no line %q", line)
		}
	}
}
