package config

import (
	"time"

	"mmsdispatch/internal/quiet"
)

// QuietHours is a span of the local day, or none.
type QuietHours struct {
	hours quiet.Hours
	on    bool
}

// Hours is the span; ok is false for none.
func (q QuietHours) Hours() (hours quiet.Hours, ok bool) { return q.hours, q.on }

// UnmarshalText takes the value from the environment.
func (q *QuietHours) UnmarshalText(text []byte) error {
	hours, err := quiet.ParseHours(string(text))
	if err != nil {
		return invalidError(err.Error())
	}

	*q = QuietHours{hours: hours, on: true}
	return nil
}

// Zone is a time zone of the IANA database.
type Zone struct{ location *time.Location }

// Location is the zone.
func (z Zone) Location() *time.Location { return z.location }

// UnmarshalText takes the value from the environment.
func (z *Zone) UnmarshalText(text []byte) error {
	location, err := time.LoadLocation(string(text))
	if err != nil || location.String() == "Local" {
		return invalidError("must be a time zone of the IANA database, such as America/New_York")
	}

	z.location = location
	return nil
}
