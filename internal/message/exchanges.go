package message

import (
	"slices"
	"sync/atomic"
)

// exchanges remembers which area codes and exchanges under +1 belong to the two
// countries that nearly all messages go to: the library's rules are the slowest
// part of a check. To find these two it looks at no digit behind the exchange,
// and what it finds to be theirs is valid there, which
// TestRulesLookNoFurtherThanTheExchange proves of the version in use. About every
// other number it is asked each time.
type exchanges struct{ areas [1000]atomic.Pointer[area] }

// area holds, for each exchange of an area code, the place of its country among
// the remembered ones; zero: not known.
type area [1000]atomic.Uint32

const canada = "CA"

func remembered() []string { return []string{"", unitedStates, canada} }

// normalize is NormalizePhone with a memory.
func (e *exchanges) normalize(value, region string) (number, country string, ok bool) {
	if !plainNANP(value) {
		return NormalizePhone(value, region)
	}
	known := e.of(value)
	if at := known.Load(); at > 0 {
		return value, remembered()[at], true
	}
	number, country, ok = NormalizePhone(value, region)
	if at := slices.Index(remembered(), country); ok && at > 0 {
		known.Store(uint32(at)) //nolint:gosec // there are two
	}
	return number, country, ok
}

// of is where the exchange of a plain number is remembered.
func (e *exchanges) of(plain string) *atomic.Uint32 {
	const code, exchange, end = len("+1"), len("+1206"), len("+1206555")
	place := &e.areas[digits(plain[code:exchange])]
	if place.Load() == nil {
		place.CompareAndSwap(nil, new(area))
	}
	return &place.Load()[digits(plain[exchange:end])]
}

// digits is the number that three digits are.
func digits(three string) int {
	return int(three[0]-'0')*100 + int(three[1]-'0')*10 + int(three[2]-'0')
}
