package quiet

import (
	"slices"
	"time"

	"mmsdispatch/internal/message"
)

// Rules decide which messages wait for the end of quiet hours. A nil Rules makes none
// wait. It is safe for concurrent use.
type Rules struct {
	hours Hours
	zones zones
}

// NewRules creates rules. Numbers without a zone, as toll-free ones, are in other.
func NewRules(hours Hours, other *time.Location) *Rules {
	return &Rules{hours: hours, zones: zones{other: other, known: make(map[string]*time.Location)}}
}

// Hold returns until when a message waits that could be sent at a time. It is zero for
// one that may be sent then.
func (r *Rules) Hold(c *message.Content, at time.Time) message.Held {
	if r == nil || !c.RespectsQuietHours() {
		return message.Held{}
	}
	return r.hold(c.To, at)
}

// searchFor bounds the search for a moment that is outside quiet hours in all zones:
// where none is in it, there is none on any day.
const searchFor = 3 * day

// hold is Hold for a number: the first moment that is outside quiet hours in all its
// zones. Where no time of day is, the first of them decides.
func (r *Rules) hold(number string, at time.Time) message.Held {
	in := r.zones.of(number)
	held := message.Held{}
	for moment := at; moment.Sub(at) < searchFor; {
		later := slices.IndexFunc(in, func(zone *time.Location) bool { return r.hours.end(moment, zone).After(moment) })
		if later < 0 {
			return held
		}
		moment = r.hours.end(moment, in[later])
		held = message.Held{Until: moment.UTC(), Zone: in[later].String()}
	}
	if until := r.hours.end(at, in[0]); until.After(at) {
		return message.Held{Until: until.UTC(), Zone: in[0].String()}
	}
	return message.Held{}
}
