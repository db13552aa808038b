package sinch

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Text reads a JSON string or number as text: Sinch's codes and ids have been
// seen as both. Whatever else stands there is the empty text, so that one odd
// field does not make an answer or a receipt unreadable.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(data []byte) error {
	*t = ""
	inner, quoted := bytes.CutPrefix(data, []byte(`"`))
	switch {
	case quoted && bytes.IndexFunc(inner, unusual) == len(inner)-1: // the closing quote
		*t = Text(inner[:len(inner)-1])
	case quoted:
		return json.Unmarshal(data, (*string)(t)) //nolint:wrapcheck // the error of a json.Unmarshaler is json's
	case len(data) > 0 && (data[0] == '-' || '0' <= data[0] && data[0] <= '9'):
		*t = Text(data)
	}
	return nil
}

// unusual are the characters that make a string of JSON more than what it says.
func unusual(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// The longest values of each kind that are kept. Sinch's own are far shorter.
const (
	longestCode = 64
	longestID   = 256
)

// Code is the text as a code of Sinch, word for word, within the bounds of what
// may go into a record: printable ASCII, and not at any length.
func (t Text) Code() string { return bounded(string(t), longestCode) }

// ID is the text as an id of Sinch: opaque, but bounded like a code.
func (t Text) ID() string { return bounded(string(t), longestID) }

func bounded(s string, longest int) string {
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

// Digits is a number the way the MMS API and all receipts write it: digits
// only, country code first.
func Digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}
