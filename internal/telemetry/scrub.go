package telemetry

import (
	"regexp"
	"strings"
)

// maxForeign bounds a line that a library wrote, in bytes; panics come with
// whole stacks.
const maxForeign = 4096

var (
	credentials = regexp.MustCompile(`://[^\s"'<>]*@`)
	queries     = regexp.MustCompile(`(://[^\s"'<>?]*)\?[^\s"'<>]*`)
	numbers     = regexp.MustCompile(`\+?\d{7,}`)
)

// Scrub takes out of a text that is not our own what must not be seen:
// credentials and queries of URLs, and whatever may be a phone number.
func Scrub(text string) string {
	if len(text) > maxForeign {
		text = strings.ToValidUTF8(text[:maxForeign], "") + "…"
	}

	text = credentials.ReplaceAllString(text, "://[redacted]@")
	text = queries.ReplaceAllString(text, "$1?[redacted]")

	return numbers.ReplaceAllString(text, "[number]")
}
