package message

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// phoneRules define the numbers to which messages may be sent.
type phoneRules struct {
	region       string
	destinations []string
	extra        map[string]string // countries by area codes that the library does not know
	cache        *exchanges
}

// phoneProblem is the problem of a number.
type phoneProblem struct {
	code ProblemCode
	text string
}

// anyDestination allows every country.
const anyDestination = "*"

// check converts a number to E.164.
func (r phoneRules) check(value string) (string, *phoneProblem) {
	number, country, ok := r.normalize(value)
	if !ok {
		return "", &phoneProblem{ProblemInvalid, "not a valid phone number"}
	}
	if !slices.Contains(r.destinations, country) && !slices.Contains(r.destinations, anyDestination) {
		return "", &phoneProblem{ProblemDestinationUnsupported, "messages cannot be sent to this country"}
	}
	return number, nil
}

// Phone converts a number, as people write it, to E.164. Messages to it need not be
// allowed.
func (r *Rules) Phone(value string) (number string, ok bool) {
	number, _, ok = r.phones.normalize(value)
	return number, ok
}

// normalize is NormalizePhone with the extra area codes.
func (r phoneRules) normalize(value string) (number, country string, ok bool) {
	number, country, ok = r.cache.normalize(value, r.region)
	if ok || len(r.extra) == 0 {
		return number, country, ok
	}
	return r.normalizeExtra(value)
}

// normalizeExtra converts a number with one of the extra area codes. Exchanges begin
// with 2 to 9 in all of the North American Numbering Plan.
func (r phoneRules) normalizeExtra(value string) (number, country string, ok bool) {
	value = strings.Trim(value, " ")
	if strings.ContainsFunc(value, notOfPhones) {
		return "", "", false
	}
	parsed, err := parsePhone(value, r.region)
	if err != nil || parsed.GetCountryCode() != 1 {
		return "", "", false
	}
	const code, length = len("861"), len("8612345678")
	national := phonenumbers.GetNationalSignificantNumber(parsed)
	if len(national) != length || national[code] < '2' {
		return "", "", false
	}
	country, ok = r.extra[national[:code]]
	return "+1" + national, country, ok
}

// NormalizePhone converts a number, as people write it, to E.164, and returns its
// ISO country. region is the country of numbers that are written without +.
func NormalizePhone(value, region string) (number, country string, ok bool) {
	value = strings.Trim(value, " ")
	if strings.ContainsFunc(value, notOfPhones) {
		return "", "", false
	}
	parsed, err := parsePhone(value, region)
	if err != nil {
		return "", "", false
	}
	country = phonenumbers.GetRegionCodeForNumber(parsed)
	// Of all countries under +1 the library finds only the United States by the
	// number's validity there, so that the check would be repeated.
	if country != unitedStates && !phonenumbers.IsValidNumberForRegion(parsed, country) {
		return "", "", false
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), country, true
}

const unitedStates = "US"

func notOfPhones(r rune) bool {
	return (r < '0' || r > '9') && !strings.ContainsRune("+-.()/ ", r)
}

// parsePhone parses a number, plain ones without the library.
func parsePhone(value, region string) (*phonenumbers.PhoneNumber, error) {
	if !plainNANP(value) {
		return phonenumbers.Parse(value, region) //nolint:wrapcheck // the caller reports only that the number is not valid
	}
	national, err := strconv.ParseUint(value[len("+1"):], 10, 64)
	return &phonenumbers.PhoneNumber{CountryCode: new(int32(1)), NationalNumber: &national}, err //nolint:wrapcheck // it has digits only
}

// plainNANP reports whether a number is +1 and ten digits, as nearly all are.
// National numbers that begin with 0 or 1 are left to the library.
func plainNANP(value string) bool {
	const length = len("+12065551212")
	if len(value) != length || value[:2] != "+1" || value[2] < '2' {
		return false
	}
	for _, c := range []byte(value[2:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
