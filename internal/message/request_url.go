package message

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// urlMax is in code points.
const urlMax = 2048

// url checks a URL that Sinch or this service will request.
func (c *check) url(name, value string) string {
	before := c.problems.count()
	if value == "" {
		c.problems.add(name, ProblemInvalid, emptyText)
		return ""
	}
	c.line(name, value, urlMax)
	if c.problems.count() == before {
		if wrong := wrongURL(value); wrong != "" {
			c.problems.add(name, ProblemInvalid, wrong)
		}
	}
	return value
}

// wrongURL returns the problem of a URL; empty: none.
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
		return "must not contain credentials"
	case !validHost(u):
		return "must have a valid host"
	case !validPort(u):
		return "must have a valid port, or none"
	default:
		return ""
	}
}

// validHost is stricter than net/url: an IPv6 address in brackets, or a name of
// letters, digits, hyphens and underscores that has a form in ASCII.
func validHost(u *url.URL) bool {
	written := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(written)
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	if strings.ContainsFunc(written, notOfHosts) {
		return false
	}
	name, err := asciiHost(written)
	return err == nil && !strings.ContainsFunc(name, notOfHosts) &&
		strings.Trim(name, ".") != "" && !strings.Contains(name, "..") && !strings.HasPrefix(name, ".")
}

func notOfHosts(r rune) bool {
	if r <= unicode.MaxASCII {
		return !asciiAlphanumeric(r) && !strings.ContainsRune("-._", r)
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}

func asciiAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// asciiHost is the name of a host in DNS: other scripts in punycode (RFC 5891,
// UTS 46).
func asciiHost(name string) (string, error) {
	if !strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		return name, nil
	}
	return idna.Lookup.ToASCII(name) //nolint:wrapcheck // callers only ask whether there is one
}

func validPort(u *url.URL) bool {
	const bits = 16
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, bits)
	return err == nil && port > 0
}

// WireURLs applies WireURL to each URL.
func WireURLs(addresses []string) []string {
	wire := make([]string, len(addresses))
	for i, address := range addresses {
		wire[i] = WireURL(address)
	}
	return wire
}

// WireURL is a URL as it is checked and sent: with the host in punycode and with
// percent-encoding for the bytes that RFC 3986 does not allow in a path or query.
// Bytes that need no encoding do not change, since a query may be signed.
func WireURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, err := asciiHost(u.Hostname())
	if err != nil {
		return address
	}
	switch {
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	case host == "":
		return address
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	_, rest, _ := strings.Cut(address, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + host + percentEncoded(rest[end:])
}

// percentEncoded encodes the bytes that a path or query cannot contain. Existing
// escapes do not change.
func percentEncoded(text string) string {
	const stay, digits = "-._~:/?[]@!$&'()*+,;=", "0123456789ABCDEF"
	var encoded strings.Builder
	for i, c := range []byte(text) {
		isEscape := c == '%' && i+2 < len(text) && hexDigit(text[i+1]) && hexDigit(text[i+2])
		if isEscape || asciiAlphanumeric(rune(c)) || strings.IndexByte(stay, c) >= 0 {
			encoded.WriteByte(c)
			continue
		}
		encoded.Write([]byte{'%', digits[c>>4], digits[c&0xf]})
	}
	return encoded.String()
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func decimal(n int) string { return strconv.Itoa(n) }
