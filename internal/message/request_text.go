package message

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths in code points.
const (
	textMax          = 5000
	fallbackTextMax  = 1600
	referenceMax     = 64
	metadataMax      = 20
	metadataKeyMax   = 40
	metadataValueMax = 500
)

const (
	emptyText   = "must not be empty"
	controlText = "contains control characters"
)

// isBlank reports whether a text is empty or white space: it would be invisible, and
// Sinch refuses such subjects (E314).
func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// isAbsent reports whether a field counts as not written, since it is blank. An
// empty fallbackText is an error.
func (f *Fields) isAbsent(name string) bool {
	value := f.Text(name)
	if value == nil || !isBlank(*value) {
		return false
	}
	return name == "text" || name == "subject" || name == "fallbackText" && *value != ""
}

// text checks a text of several lines. It is composed (NFC) first, as most
// keyboards write it, so that a limit counts a letter with its accents once.
func (c *check) text(name string, written *string, limit int) string {
	if written == nil || isBlank(*written) {
		return ""
	}
	value := norm.NFC.String(*written)
	c.length(name, value, limit)
	if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }) {
		c.problems.add(name, ProblemControlCharacters, controlText+" other than tab, CR and LF")
	}
	return value
}

func (c *check) length(name, value string, limit int) {
	if len(value) > limit && utf8.RuneCountInString(value) > limit {
		c.problems.add(name, ProblemTooLong, "longer than "+decimal(limit)+" characters")
	}
}

// line checks a text of one line.
func (c *check) line(name, value string, limit int) {
	c.length(name, value, limit)
	if strings.ContainsFunc(value, unicode.IsControl) {
		c.problems.add(name, ProblemControlCharacters, controlText)
	}
}

func (c *check) subject(written *string) string {
	if written == nil || isBlank(*written) {
		return ""
	}
	value := norm.NFC.String(*written)
	c.line("subject", value, SubjectMax)
	if strings.ContainsFunc(value, rejectedInSubject) {
		c.problems.add("subject", ProblemSubjectCharacters,
			"carriers accept only Latin letters, digits and visible punctuation")
	}
	return value
}

// reference checks a clientReference, or the header that replaces it.
func (c *check) reference(name string, value *string) string {
	if value == nil {
		return ""
	}
	before := c.problems.count()
	c.line(name, *value, referenceMax)
	switch {
	case *value == "":
		c.problems.add(name, ProblemInvalid, emptyText)
	case c.problems.count() > before:
	case strings.ContainsFunc(*value, func(r rune) bool { return r > unicode.MaxASCII }):
		c.problems.add(name, ProblemInvalid, "only printable ASCII characters are allowed")
	case strings.Trim(*value, " ") != *value:
		c.problems.add(name, ProblemInvalid, "must not begin or end with a space")
	}
	return *value
}

func (c *check) priority(value *string) Lane {
	if value == nil {
		return Normal
	}
	lane := Lane(*value)
	if !slices.Contains(Lanes(), lane) {
		c.problems.add("priority", ProblemInvalid, "must be high, normal or bulk")
	}
	return lane
}

func (c *check) metadata(pairs []Pair) map[string]string {
	if len(pairs) > metadataMax {
		c.problems.add("metadata", ProblemTooMany, "at most 20 pairs")
	}
	if len(pairs) == 0 {
		return nil
	}
	metadata := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		name := metadataName(pair.Key)
		if pair.Key == "" {
			c.problems.add(name, ProblemInvalid, "a name must not be empty")
		}
		c.line(name, pair.Key, metadataKeyMax)
		c.line(name, pair.Value, metadataValueMax)
		metadata[pair.Key] = pair.Value
	}
	return metadata
}
