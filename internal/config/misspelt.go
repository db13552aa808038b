package config

import (
	"maps"
	"slices"
	"strings"
)

// misspeltVariable is a variable that is set and has no effect.
type misspeltVariable struct {
	name  string
	meant string // the known variable with a similar name; empty: there is none
}

func (m misspeltVariable) String() string {
	text := m.name + " is set but has no effect"
	if m.meant != "" {
		text += ": is " + m.meant + " meant?"
	}
	return text
}

// misspelt lists unknown variables that are probably misspelt: all that begin
// with SINCH_, and others whose names nearly match a known one. An environment
// has many unrelated variables, so the match has to be close.
func misspelt(known map[string]bool, values map[string]string) []misspeltVariable {
	var found []misspeltVariable

	for _, name := range slices.Sorted(maps.Keys(values)) {
		if known[name] || slices.Contains(ofCommandLine(), name) {
			continue
		}

		if meant := nearest(known, name); meant != "" || strings.HasPrefix(name, "SINCH_") {
			found = append(found, misspeltVariable{name: name, meant: meant})
		}
	}
	return found
}

// ofCommandLine are the variables that only mmsctl reads.
func ofCommandLine() []string { return []string{"MMS_URL", "MMS_KEY"} }

// nearest returns the known variable that a name is probably meant to be: they
// differ in at most two characters, or the end is missing.
func nearest(known map[string]bool, name string) string {
	const (
		shortest = 6 // of known names; shorter ones match by chance
		slips    = 2
	)

	best, least := "", slips+1

	for _, candidate := range slices.Sorted(maps.Keys(known)) {
		if len(candidate) < shortest || len(name) < shortest {
			continue
		}

		n := distance(strings.ToUpper(name), candidate)
		if strings.HasPrefix(candidate, strings.ToUpper(name)) {
			n = min(n, slips)
		}

		if n < least {
			best, least = candidate, n
		}
	}
	return best
}

// distance is the Levenshtein distance of two texts.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1

		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}

			diagonal, row[j+1] = row[j+1], min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
