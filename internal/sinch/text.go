package sinch

import (
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
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = Text(s)
		return nil
	}
	var n json.Number
	if json.Unmarshal(data, &n) == nil {
		*t = Text(n)
	}
	return nil
}

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
