package quiet

import (
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the image has no zones

	"github.com/nyaruka/phonenumbers"
)

// zones finds the zones of numbers.
type zones struct {
	other *time.Location // of numbers without a zone

	mu    sync.RWMutex
	known map[string]*time.Location // by name
}

// northAmerica begins numbers under +1, whose table entry of the country names every
// zone from Guam to Newfoundland: a number that only it fits has no zone.
const northAmerica = "+1"

// of are the zones in which a number may be, in E.164. Numbers of a place have those of
// their prefix, all others those of their country.
func (z *zones) of(number string) []*time.Location {
	prefix := number
	if !strings.HasPrefix(number, northAmerica) {
		prefix = placed(number)
	}
	names, err := phonenumbers.GetTimezonesForPrefix(prefix)
	if err != nil || isContinent(names) {
		return []*time.Location{z.other}
	}
	found := make([]*time.Location, 0, len(names))
	for _, name := range names {
		if zone := z.zone(name); zone != nil {
			found = append(found, zone)
		}
	}
	if len(found) == 0 {
		found = append(found, z.other)
	}
	return found
}

// isContinent reports whether names are those of all numbers under +1.
func isContinent(names []string) bool {
	all, err := phonenumbers.GetTimezonesForPrefix(northAmerica)
	return err == nil && len(all) > 0 && len(names) == len(all) && &names[0] == &all[0]
}

// placed is the part of a number that says where it is: all of one that belongs to a
// place, and the country code of any other, as of most mobile numbers.
func placed(number string) string {
	parsed, err := phonenumbers.Parse(number, "")
	if err != nil {
		return number
	}
	code := int(parsed.GetCountryCode())
	switch phonenumbers.GetNumberType(parsed) {
	case phonenumbers.FIXED_LINE, phonenumbers.FIXED_LINE_OR_MOBILE:
		return number
	case phonenumbers.MOBILE:
		if mobilesAreOfAPlace(code) {
			return number
		}
	default:
	}
	return strconv.Itoa(code)
}

// mobilesAreOfAPlace reports whether the mobile numbers of a country have area codes,
// as libphonenumber lists them: Argentina, Brazil, China, Indonesia and Mexico.
func mobilesAreOfAPlace(countryCode int) bool {
	switch countryCode {
	case 52, 54, 55, 62, 86: //nolint:mnd // country codes
		return true
	default:
		return false
	}
}

// zone is a zone by its name, or nil for the one that stands for an unknown one.
func (z *zones) zone(name string) *time.Location {
	z.mu.RLock()
	zone, ok := z.known[name]
	z.mu.RUnlock()
	if ok {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.known[name] = zone
	return zone
}
