package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// SubjectMax is the length of the longest subject, in code points.
const SubjectMax = 80

// ValidSubject reports whether carriers accept a text as subject. It must be
// composed (NFC).
func ValidSubject(text string) bool {
	return utf8.ValidString(text) && norm.NFC.IsNormalString(text) && utf8.RuneCountInString(text) <= SubjectMax &&
		!strings.ContainsFunc(text, unicode.IsControl) && !strings.ContainsFunc(text, rejectedInSubject)
}

// rejectedInSubject reports characters beyond Latin Extended-B that are not
// General Punctuation, and invisible ones: zero-width, bidirectional
// and other format characters, and separators of lines.
func rejectedInSubject(r rune) bool {
	const latinEnd, punctuationStart, punctuationEnd, formatStart = 0x024F, 0x2000, 0x205F, 0x00AD
	if r < formatStart {
		return false
	}
	return r > latinEnd && (r < punctuationStart || r > punctuationEnd) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
