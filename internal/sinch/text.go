package sinch

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Text reads a JSON string or number as text: Sinch's codes and ids have been
// seen as both. Any other JSON value is the empty text, so that one field of an
// unexpected type does not make a response or a receipt unreadable.
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

// unusual reports characters after which a JSON string needs decoding.
func unusual(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// The maximum lengths of a code and an id of Sinch, whose own are far shorter.
const (
	longestCode  = 64
	digitsInCode = 6 // seven can be a phone number
	longestID    = 256
)

// CodeWithheld replaces a value that cannot be a code of Sinch. A code may decide
// about the message, so its presence is kept, but not its text.
const CodeWithheld = "withheld"

// Code returns the text as a code of Sinch, unchanged, or CodeWithheld: codes are
// recorded and logged, so they must not contain a phone number or a sentence.
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

// ID returns the text as an id of Sinch, or nothing unless it is printable ASCII of
// a bounded length.
func (t Text) ID() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(t[:min(len(t), longestID)]))
}

// Digits returns a number in the format of the MMS API and of all receipts: digits
// only, country code first.
func Digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}
