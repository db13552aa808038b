// Package template renders texts with placeholders: {{name}} is the value of a
// variable, {{name|default}} its value or else the default, and \{{ a literal {{.
package template

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	opening = "{{"
	closing = "}}"

	// nameMax is the longest name of a variable, in code points.
	nameMax = 40
	// missingMax bounds the missing variables that are listed.
	missingMax = 100
	// SizeMax is the size, in bytes, at which a result is cut. It is longer than any
	// text of a message may be, also once it is composed (NFC).
	SizeMax = 64 << 10
)

// SyntaxError is the error of a text that is no template.
type SyntaxError struct{ Reason string }

// Error implements error.
func (e *SyntaxError) Error() string { return e.Reason }

// Render replaces the placeholders of a text. Values are not interpreted. missing
// are the names without a value and without a default, each once. The error is a
// *SyntaxError.
func Render(text string, value func(name string) (string, bool)) (rendered string, missing []string, err error) {
	if !strings.Contains(text, opening) {
		return text, nil, nil
	}
	var out strings.Builder
	for {
		literal, rest, found := strings.Cut(text, opening)
		if !found {
			write(&out, literal)
			return out.String(), missing, nil
		}
		text = rest
		if before, escapes := strings.CutSuffix(literal, `\`); escapes {
			write(&out, before)
			write(&out, opening)
			continue
		}
		write(&out, literal)
		p, rest, err := parse(text)
		if err != nil {
			return "", missing, err
		}
		text = rest
		switch v, ok := value(p.name); {
		case ok:
			write(&out, v)
		case p.hasDefault:
			write(&out, p.byDefault)
		case len(missing) < missingMax && !slices.Contains(missing, p.name):
			missing = append(missing, p.name)
		}
	}
}

// write appends text and cuts the result at the first rune behind SizeMax: a longer
// one is too long for a message in any case.
func write(out *strings.Builder, text string) {
	if room := SizeMax - out.Len(); len(text) > room {
		cut := max(room, 0)
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		text = text[:cut]
	}
	out.WriteString(text)
}

// placeholder is what stands between two braces on each side.
type placeholder struct {
	name       string
	byDefault  string
	hasDefault bool
}

// parse reads a placeholder whose opening braces have been read.
func parse(text string) (p placeholder, rest string, err error) {
	inner, rest, closed := strings.Cut(text, closing)
	if !closed || strings.Contains(inner, opening) {
		return placeholder{}, "", &SyntaxError{
			Reason: opening + " has no " + closing + ` after it; write \` + opening + " for the braces themselves",
		}
	}
	p.name, p.byDefault, p.hasDefault = strings.Cut(inner, "|")
	p.name = strings.Trim(p.name, " ")
	if !isName(p.name) {
		return placeholder{}, "", &SyntaxError{Reason: "a placeholder needs a name of 1 to 40 letters, digits, and the characters . _ -"}
	}
	return p, rest, nil
}

func isName(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= nameMax &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
		})
}
