package config

import (
	"strconv"
	"strings"
	"time"
)

// Days is a duration that may also be written in days.
type Days time.Duration

// daysMax keeps a number of days within a time.Duration.
const daysMax = 100_000

// UnmarshalText parses the variable.
func (d *Days) UnmarshalText(text []byte) error {
	const day = 24 * time.Hour

	parsed, err := time.ParseDuration(string(text))
	if number, isDays := strings.CutSuffix(string(text), "d"); isDays {
		var n uint64

		n, err = strconv.ParseUint(number, 10, 32)
		parsed = time.Duration(min(n, daysMax+1)) * day
	}

	if err != nil || parsed < minDuration || parsed > daysMax*day {
		return invalidError("must be days such as 400d, or a duration such as 36h")
	}

	*d = Days(parsed)
	return nil
}
