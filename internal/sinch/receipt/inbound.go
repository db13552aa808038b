package receipt

import "mmsdispatch/internal/sinch"

// Inbound is a message from a phone.
type Inbound struct {
	ID    string
	From  string // the phone, digits only
	To    string // our number or short code, digits only; empty where Sinch does not say
	Text  string // what it says, cut: the keyword where Sinch found one
	Media int    // how many files it has
}

const (
	// longestNumber is more than any number has (ITU-T E.164: 15), with room
	// for the prefixes of carriers.
	longestNumber = 32
	// longestText is far beyond any keyword: the text is looked at and not kept.
	longestText = 256
)

// digits is a number the way the records of this service are found by it.
func digits(t sinch.Text) string {
	number := sinch.Digits(string(t))
	return number[:min(len(number), longestNumber)]
}

// words is a text as far as a keyword can reach.
func words(t sinch.Text) string { return string(t[:min(len(t), longestText)]) }
