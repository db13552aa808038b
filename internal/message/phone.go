package message

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// phoneRules say which numbers messages may go to.
type phoneRules struct {
	region       string
	destinations []string
}

// phoneProblem is what is wrong with a number.
type phoneProblem struct {
	code ProblemCode
	text string
}

// anyDestination allows every country.
const anyDestination = "*"

// check brings a number into E.164.
func (r phoneRules) check(value string) (string, *phoneProblem) {
	number, country, ok := NormalizePhone(value, r.region)
	if !ok {
		return "", &phoneProblem{ProblemInvalid, "not a valid phone number"}
	}
	if !slices.Contains(r.destinations, country) && !slices.Contains(r.destinations, anyDestination) {
		return "", &phoneProblem{ProblemDestinationUnsupported, "messages cannot be sent to this country"}
	}
	return number, nil
}

// NormalizePhone brings a number, as people write it, into E.164 and tells its
// country. region is the country of numbers that are written without +.
func NormalizePhone(value, region string) (number, country string, ok bool) {
	value = strings.Trim(value, " ")
	if strings.ContainsFunc(value, notOfPhones) {
		return "", "", false
	}
	parsed := plainNANP(value)
	if parsed == nil {
		var err error
		if parsed, err = phonenumbers.Parse(value, region); err != nil {
			return "", "", false
		}
	}
	country = phonenumbers.GetRegionCodeForNumber(parsed)
	// Of all countries under +1 the library finds the United States by the
	// number's validity there, so that it need not be asked for it again.
	if country != unitedStates && !phonenumbers.IsValidNumberForRegion(parsed, country) {
		return "", "", false
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), country, true
}

const unitedStates = "US"

func notOfPhones(r rune) bool {
	return (r < '0' || r > '9') && !strings.ContainsRune("+-.()/ ", r)
}

// plainNANP is the way around the parser, which costs most of the time, for
// the numbers nearly all messages go to: +1 and ten digits. It is nil for any
// other number.
func plainNANP(value string) *phonenumbers.PhoneNumber {
	const length = len("+12065551212")
	if len(value) != length || !strings.HasPrefix(value, "+1") || value[2] < '2' || value[2] > '9' {
		return nil // national numbers do not begin with 0 or 1; what to make of these is the parser's to say
	}
	national, err := strconv.ParseUint(value[2:], 10, 64)
	if err != nil {
		return nil
	}
	return &phonenumbers.PhoneNumber{CountryCode: new(int32(1)), NationalNumber: &national}
}
