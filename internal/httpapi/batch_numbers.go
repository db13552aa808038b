package httpapi

import (
	"strconv"
	"strings"
)

// numberSet are the recipients' numbers of a batch, as numbers: a stream can have
// a million.
type numberSet map[uint64]struct{}

// add reports whether a number in E.164 was there before. A row without a valid
// number has none.
func (s numberSet) add(number string) (known bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(number, "+"), 10, 64)
	if err != nil {
		return false
	}
	_, known = s[n]
	s[n] = struct{}{}
	return known
}
