package receipt

import (
	"encoding/json"
	"strings"

	"mmsdispatch/internal/sinch"
)

// Inbound is a message from a phone.
type Inbound struct {
	ID      string
	From    string // the phone, digits only
	To      string // our number or short code, digits only; empty where Sinch does not say
	Text    string
	Keyword string   // that Sinch found (mms); empty elsewhere
	Media   []string // URLs of its files
}

// Words is what a keyword is looked for in.
func (in Inbound) Words() string {
	if in.Keyword != "" {
		return in.Keyword
	}
	return in.Text
}

const (
	// longestNumber exceeds the length of any number (ITU-T E.164: 15) and leaves
	// room for carriers' prefixes.
	longestNumber = 32
	// longestText is in bytes: 5,000 characters, the most that an MMS has.
	longestText = 20_000
	// mostMedia is more than any phone attaches; longestURL is in bytes.
	mostMedia  = 100
	longestURL = 4096
)

// digits returns a number in the form that is the key of records.
func digits(t sinch.Text) string {
	number := sinch.Digits(string(t))
	return number[:min(len(number), longestNumber)]
}

// words is a text within its bound.
func words(t sinch.Text) string {
	if len(t) <= longestText {
		return string(t)
	}
	return strings.ToValidUTF8(string(t[:longestText]), "")
}

// urls reads the URLs of files, each a member of an object.
func urls(files []json.RawMessage, member string) []string {
	var all []string
	for _, file := range files {
		var f fields
		if json.Unmarshal(file, &f) != nil {
			continue
		}
		if url := f.text(member); url != "" && len(url) <= longestURL && len(all) < mostMedia {
			all = append(all, string(url))
		}
	}
	return all
}
