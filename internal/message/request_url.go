package message

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// urlMax is in code points.
const urlMax = 2048

// url checks a URL that Sinch, or we, will call.
func (c *check) url(name, value string) string {
	before := len(c.problems)
	if value == "" {
		c.problems.add(name, ProblemInvalid, emptyText)
		return ""
	}
	c.line(name, value, urlMax)
	if len(c.problems) == before {
		if wrong := wrongURL(value); wrong != "" {
			c.problems.add(name, ProblemInvalid, wrong)
		}
	}
	return value
}

// wrongURL says what is wrong with a URL; empty: nothing.
func wrongURL(value string) string {
	if strings.ContainsFunc(value, unicode.IsSpace) || strings.Contains(value, `\`) {
		return "must not contain spaces or backslashes"
	}
	if strings.Contains(value, "#") {
		return "must not have a fragment"
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return "not a valid URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "must be an http or https URL"
	case u.User != nil:
		return "must not hold credentials"
	case !validHost(u.Host, u.Hostname()):
		return "must have a valid host"
	case !validPort(u):
		return "must have a valid port, or none"
	default:
		return ""
	}
}

// validHost takes what net/url lets through more closely: an IPv6 address in
// brackets, or a name without characters that no name has.
func validHost(host, name string) bool {
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(name)
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	if strings.Trim(name, ".") == "" || strings.Contains(name, "..") || strings.HasPrefix(name, ".") {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		ascii := r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		return !ascii && (r < utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r))
	})
}

func validPort(u *url.URL) bool {
	const bits = 16
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, bits)
	return err == nil && port > 0
}

func decimal(n int) string { return strconv.Itoa(n) }
