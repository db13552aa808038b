package telemetry

import (
	"regexp"
	"strings"
)

// maxForeign bounds a line of a library, in bytes; panics come with whole stacks.
const maxForeign = 4096

var (
	credentials = regexp.MustCompile(`://[^\s"'<>]*@`)
	queries     = regexp.MustCompile(`(://[^\s"'<>?]*)\?[^\s"'<>]*`)
	numbers     = regexp.MustCompile(`\+?\d{7,}`)
)

// Scrub removes personal data and secrets from a text of a library: credentials
// and queries of URLs, and possible phone numbers.
func Scrub(text string) string {
	if len(text) > maxForeign {
		text = strings.ToValidUTF8(text[:maxForeign], "") + "…"
	}

	text = credentials.ReplaceAllString(text, "://[redacted]@")
	text = queries.ReplaceAllString(text, "$1?[redacted]")
	return numbers.ReplaceAllString(text, "[number]")
}
