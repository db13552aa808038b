package receipt

import "mmsdispatch/internal/sinch"

// Inbound is a message from a phone.
type Inbound struct {
	ID    string
	From  string // the phone, digits only
	To    string // our number or short code, digits only; empty if Sinch omits it
	Text  string // its text, truncated: the keyword if Sinch found one
	Media int    // number of files
}

const (
	// longestNumber exceeds the length of any number (ITU-T E.164: 15) and leaves
	// room for carriers' prefixes.
	longestNumber = 32
	// longestText exceeds any keyword: the text is matched and not stored.
	longestText = 256
)

// digits returns a number in the form that is the key of records.
func digits(t sinch.Text) string {
	number := sinch.Digits(string(t))
	return number[:min(len(number), longestNumber)]
}

// words returns the beginning of a text, as far as it can contain a keyword.
func words(t sinch.Text) string { return string(t[:min(len(t), longestText)]) }
