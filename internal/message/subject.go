package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// SubjectMax is the length of the longest subject, in code points.
const SubjectMax = 80

// ValidSubject reports whether carriers take a text as subject.
func ValidSubject(text string) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= SubjectMax &&
		!strings.ContainsFunc(text, unicode.IsControl) && !strings.ContainsFunc(text, rejectedInSubject)
}

// rejectedInSubject reports characters beyond Latin Extended-B that are not
// General Punctuation.
func rejectedInSubject(r rune) bool {
	const latinEnd, punctuationStart, punctuationEnd = 0x024F, 0x2000, 0x206F
	return r > latinEnd && (r < punctuationStart || r > punctuationEnd)
}
