// Package quiet decides which messages wait because it is night where their recipient
// is: quiet hours are a span of the local day, and the zones of a number come from
// libphonenumber's table of prefixes.
package quiet

import (
	"errors"
	"strings"
	"time"
)

// Hours are a span of the local day, from From to To by the clock on the wall. It may
// go over midnight.
type Hours struct {
	From, To time.Duration // since midnight; To is no part of the span
}

// ErrHours is the error of ParseHours.
var ErrHours = errors.New("must be a span of the day such as 21:00-08:00")

// ParseHours reads hours as HH:MM-HH:MM.
func ParseHours(text string) (Hours, error) {
	from, to, found := strings.Cut(text, "-")
	begin, beginOK := parseClock(from)
	end, endOK := parseClock(to)
	if !found || !beginOK || !endOK || begin == end {
		return Hours{}, ErrHours
	}
	return Hours{From: begin, To: end}, nil
}

func parseClock(text string) (time.Duration, bool) {
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return sinceMidnight(at), true
}

// sinceMidnight is the time on the wall as a time since midnight.
func sinceMidnight(at time.Time) time.Duration {
	hour, minute, second := at.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second +
		time.Duration(at.Nanosecond())
}

const day = 24 * time.Hour

// contain reports whether a time on the wall lies in the hours.
func (h Hours) contain(wall time.Duration) bool {
	if h.From < h.To {
		return h.From <= wall && wall < h.To
	}
	return wall >= h.From || wall < h.To
}

// end is the first moment from at on that is outside the hours in a zone; at itself
// where it is. Clocks that are put forward or back count as they are on the wall.
func (h Hours) end(at time.Time, zone *time.Location) time.Time {
	for local := at.In(zone); ; {
		wall := sinceMidnight(local)
		if !h.contain(wall) {
			return local
		}
		end := local.Add((h.To - wall + day) % day)
		_, change := local.ZoneBounds()
		if change.IsZero() || end.Before(change) {
			return end
		}
		local = change
	}
}
