package sinchsim

import (
	"net/url"
	"strings"
)

// MaxSubject is the longest subject, in characters, in every API.
const MaxSubject = 80

// IsMediaURL reports whether text has the form of a URL that media are fetched from.
func IsMediaURL(text string) bool {
	if strings.ContainsAny(text, " \t\r\n\\") {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
