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

// What a code and an id of Sinch can be at most. Its own are far shorter.
const (
	longestCode  = 64
	digitsInCode = 6 // seven can be a phone number
	longestID    = 256
)

// CodeWithheld stands for what Sinch gave as a code and cannot be one. There
// was one, which may decide about the message; what it says is not repeated.
const CodeWithheld = "withheld"

// Code is the text as a code of Sinch, word for word, or CodeWithheld: codes go
// into records and logs, so that there must be no room in them for a phone
// number or a sentence.
func (t Text) Code() string {
	if t != "" && !t.isCode() {
		return CodeWithheld
	}
	return string(t)
}

func (t Text) isCode() bool {
	digits := 0
	for _, r := range t {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '_', r == '-', r == '.':
		default:
			return false
		}
	}
	return len(t) <= longestCode && digits <= digitsInCode
}

// ID is the text as an id of Sinch: opaque, but within the bounds of what may go
// into a record, which are printable ASCII, and not at any length.
func (t Text) ID() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(t[:min(len(t), longestID)]))
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
