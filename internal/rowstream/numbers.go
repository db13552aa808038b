package rowstream

import (
	"strconv"
	"strings"
)

// Numbers is the set of phone numbers in the rows of one request. A million of
// them take less than 40 MB. The zero value is empty.
type Numbers struct{ seen map[uint64]struct{} }

// Add adds the number of a row, in E.164, and reports whether an earlier row has
// it.
func (n *Numbers) Add(e164 string) (repeated bool) {
	digits, err := strconv.ParseUint(strings.TrimPrefix(e164, "+"), 10, 64) // E.164 has 15 digits at most
	if err != nil {
		return false
	}
	if n.seen == nil {
		n.seen = make(map[uint64]struct{})
	}
	_, repeated = n.seen[digits]
	n.seen[digits] = struct{}{}
	return repeated
}
