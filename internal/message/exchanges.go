package message

import (
	"slices"
	"sync/atomic"
)

// exchanges caches the country of area codes and exchanges under +1, for the two
// countries of nearly all messages: the library's rules are the slowest part of a
// check. For these two the library evaluates no digit behind the exchange, and a
// number with such an exchange is valid; TestRulesIgnoreDigitsBehindTheExchange
// proves it for the version in use. For every other number the library is called
// each time.
type exchanges struct{ areas [1000]atomic.Pointer[area] }

// area holds, for each exchange of an area code, the index of its country in
// cachedCountries; zero: not cached.
type area [1000]atomic.Uint32

const canada = "CA"

func cachedCountries() []string { return []string{"", unitedStates, canada} }

// normalize is NormalizePhone with the cache.
func (e *exchanges) normalize(value, region string) (number, country string, ok bool) {
	if !plainNANP(value) {
		return NormalizePhone(value, region)
	}
	cached := e.of(value)
	if at := cached.Load(); at > 0 {
		return value, cachedCountries()[at], true
	}
	number, country, ok = NormalizePhone(value, region)
	if at := slices.Index(cachedCountries(), country); ok && at > 0 {
		cached.Store(uint32(at)) //nolint:gosec // there are two
	}
	return number, country, ok
}

// of is the cache element for the exchange of a plain number.
func (e *exchanges) of(plain string) *atomic.Uint32 {
	const code, exchange, end = len("+1"), len("+1206"), len("+1206555")
	element := &e.areas[digits(plain[code:exchange])]
	if element.Load() == nil {
		element.CompareAndSwap(nil, new(area))
	}
	return &element.Load()[digits(plain[exchange:end])]
}

// digits parses three decimal digits.
func digits(three string) int {
	return int(three[0]-'0')*100 + int(three[1]-'0')*10 + int(three[2]-'0')
}
