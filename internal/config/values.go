package config

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"mmsdispatch/internal/message"
)

// invalidError is the rule that a value breaks, in an operator's words. It never
// contains the value: a wrong variable may contain a secret.
type invalidError string

func (e invalidError) Error() string { return string(e) }

// Origin is scheme, host and port of a URL, without a slash at its end.
type Origin string

// UnmarshalText parses the variable.
func (o *Origin) UnmarshalText(text []byte) error {
	parsed, err := parseURL(text)
	if err != nil {
		return err
	}

	if strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" {
		return invalidError("must be scheme, host and port only, such as https://sinch.example.com; the path is appended")
	}

	*o = Origin(parsed.Scheme + "://" + parsed.Host)
	return nil
}

// BaseURL is a URL that paths are appended to, without a slash at its end.
type BaseURL string

// UnmarshalText parses the variable.
func (b *BaseURL) UnmarshalText(text []byte) error {
	parsed, err := parseURL(text)
	if err != nil {
		return err
	}

	if base, ok := withoutWebhook(parsed); ok {
		return invalidError("must be the base URL alone, which is " + base + ": " + receiptPath + " and the token are appended")
	}

	if parsed.RawQuery != "" {
		return invalidError("must have no query, since a path is appended")
	}

	*b = BaseURL(strings.TrimRight(parsed.String(), "/"))
	return nil
}

// Endpoint is a complete URL.
type Endpoint string

// UnmarshalText parses the variable.
func (e *Endpoint) UnmarshalText(text []byte) error {
	parsed, err := parseURL(text)
	if err != nil {
		return err
	}

	*e = Endpoint(parsed.String())
	return nil
}

// parseURL parses an absolute http or https URL without user info and fragment.
func parseURL(text []byte) (*url.URL, error) {
	parsed, err := url.Parse(string(text))
	if err != nil || parsed.Hostname() == "" || !slices.Contains([]string{"http", "https"}, parsed.Scheme) || !validPort(parsed.Port()) {
		return nil, invalidError("must be an absolute http or https URL")
	}

	if parsed.User != nil {
		return nil, invalidError("must not contain a user or password")
	}

	if strings.Contains(string(text), "#") {
		return nil, invalidError("must have no fragment")
	}
	return parsed, nil
}

// validPort reports whether a URL's port is absent or valid.
func validPort(port string) bool {
	if port == "" {
		return true
	}

	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// Identifier is a name or id that is sent in headers or paths: printable
// ASCII without spaces, slashes or colons.
type Identifier string

var identifierPattern = regexp.MustCompile(`^[!-~]{1,255}$`)

// UnmarshalText parses the variable.
func (i *Identifier) UnmarshalText(text []byte) error {
	if !identifierPattern.Match(text) || bytes.ContainsAny(text, ":/?#%") {
		return invalidError("must be 1 to 255 printable ASCII characters without spaces and : / ? # %")
	}

	*i = Identifier(text)
	return nil
}

// Sender is the origin of messages: a phone number with or without +, or a short
// code, as the operator wrote it.
type Sender string

var senderPattern = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,15})$`)

// UnmarshalText parses the variable.
func (s *Sender) UnmarshalText(text []byte) error {
	if !senderPattern.Match(text) {
		return invalidError("must be a phone number (+ and 7 to 15 digits, the + may be left out) or a short code (3 to 8 digits)")
	}

	*s = Sender(text)
	return nil
}

// Senders is a list of numbers and short codes.
type Senders []Sender

// UnmarshalText parses the variable.
func (s *Senders) UnmarshalText(text []byte) error {
	entries := strings.Split(string(text), ",")
	senders := make(Senders, len(entries))

	var wrong []string

	for i, entry := range entries {
		if err := senders[i].UnmarshalText([]byte(strings.TrimSpace(entry))); err != nil {
			wrong = append(wrong, fmt.Sprintf("entry %d %v", i+1, err))
		}
	}

	if len(wrong) > 0 {
		return invalidError(strings.Join(wrong, "; "))
	}

	*s = senders
	return nil
}

// Region is an ISO 3166 country code that libphonenumber knows.
type Region string

// UnmarshalText parses the variable.
func (r *Region) UnmarshalText(text []byte) error {
	region := strings.ToUpper(string(text))
	if !phonenumbers.GetSupportedRegions()[region] {
		return invalidError("must be an ISO 3166 country code such as US")
	}

	*r = Region(region)
	return nil
}

// Destinations are the countries messages may go to.
type Destinations struct {
	regions []Region // empty with any
	any     bool
}

// Any reports whether messages may go to every country.
func (d Destinations) Any() bool { return d.any }

// Regions lists the countries; it is empty when Any.
func (d Destinations) Regions() []Region { return slices.Clone(d.regions) }

// UnmarshalText parses the variable.
func (d *Destinations) UnmarshalText(text []byte) error {
	if string(text) == "*" {
		*d = Destinations{any: true}
		return nil
	}

	entries := strings.Split(string(text), ",")
	regions := make([]Region, len(entries))

	var wrong []string

	for i, entry := range entries {
		if err := regions[i].UnmarshalText([]byte(strings.TrimSpace(entry))); err != nil {
			wrong = append(wrong, fmt.Sprintf("entry %d is invalid", i+1))
		}
	}

	if len(wrong) > 0 {
		return invalidError("must be * or a list of ISO 3166 country codes; " + strings.Join(wrong, "; "))
	}

	*d = Destinations{regions: regions}
	return nil
}

// AreaCodes are area codes of the North American Numbering Plan and their
// countries.
type AreaCodes struct{ countries map[string]string }

// Countries are the ISO country codes by area code.
func (a AreaCodes) Countries() map[string]string { return maps.Clone(a.countries) }

var areaCodePattern = regexp.MustCompile(`^[2-9][0-9]{2}$`)

// UnmarshalText parses the variable.
func (a *AreaCodes) UnmarshalText(text []byte) error {
	countries := map[string]string{}

	var wrong []string

	for i, entry := range strings.Split(string(text), ",") {
		code, country, _ := strings.Cut(strings.TrimSpace(entry), ":")
		country = strings.ToUpper(country)

		if !areaCodePattern.MatchString(code) || phonenumbers.GetCountryCodeForRegion(country) != 1 {
			wrong = append(wrong, fmt.Sprintf("entry %d is invalid", i+1))
		}

		countries[code] = country
	}

	if len(wrong) > 0 {
		return invalidError("must be a list of area codes under +1 with their countries, such as 861:US,942:CA; " +
			strings.Join(wrong, "; "))
	}

	a.countries = countries
	return nil
}

// HostPort is an address to listen on.
type HostPort string

// UnmarshalText parses the variable.
func (h *HostPort) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return invalidError("must be host:port, such as 127.0.0.1:9090")
	}

	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return invalidError("must end in a port from 0 to 65535")
	}

	*h = HostPort(text)
	return nil
}

// Loopback reports whether only this machine can reach the address.
func (h HostPort) Loopback() bool {
	host, _, err := net.SplitHostPort(string(h))
	if err != nil {
		return false
	}

	if host == "localhost" {
		return true
	}

	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Subject is the subject line of a message.
type Subject string

// UnmarshalText parses the variable.
func (s *Subject) UnmarshalText(text []byte) error {
	subject := string(text)
	if strings.TrimSpace(subject) == "" || !message.ValidSubject(subject) {
		return invalidError(fmt.Sprintf("must be at most %d Latin letters, digits and punctuation", message.SubjectMax))
	}

	*s = Subject(subject)
	return nil
}

// HelpText is the answer to HELP.
type HelpText string

// helpTextMax is in characters: what an SMS of several parts has (GSM 03.40).
const helpTextMax = 1600

// UnmarshalText parses the variable.
func (h *HelpText) UnmarshalText(text []byte) error {
	control := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }
	if !utf8.Valid(text) || strings.TrimSpace(string(text)) == "" || utf8.RuneCount(text) > helpTextMax ||
		bytes.ContainsFunc(text, control) {
		return invalidError(fmt.Sprintf("must be a text of at most %d characters, none of them a control character", helpTextMax))
	}

	*h = HelpText(text)
	return nil
}
