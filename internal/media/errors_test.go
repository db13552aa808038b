package media

import (
	"os"
	"strings"
	"testing"
)

// TestEveryCodeHasAMeaning in the table and in the documentation.
func TestEveryCodeHasAMeaning(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/media.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(codes()) != len(meanings) {
		t.Errorf("%d codes, %d meanings", len(codes()), len(meanings))
	}
	for _, code := range codes() {
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

// codes lists every code.
func codes() []Code {
	return []Code{
		CodeURL, CodeUnreachable, CodeTimeout, CodeHostError, CodeCertificate, CodePrivate, CodeRedirects,
		CodeNotFound, CodeRefused, CodeNoLength, CodeEmpty, CodeTooLarge, CodeType, CodeHEIC, CodeAVIF, CodeMismatch, CodeBroken, CodePixels,
	}
}
