package message

import (
	"regexp"
	"strings"
	"time"
)

const (
	// sendAtGrace is the age up to which a past sendAt means now.
	sendAtGrace = time.Minute
	// sendAtAhead is the longest time ahead for which a message can be scheduled.
	sendAtAhead = 30 * 24 * time.Hour
)

// times checks sendAt and expiresAt. Problems that depend on the clock are late.
func (c *check) times(f Fields, now time.Time) (sendAt, expiresAt time.Time) {
	sendAt = c.time("sendAt", f.texts[textSendAt])
	expiresAt = c.time(fieldExpiresAt, f.texts[textExpiresAt])
	switch {
	case sendAt.IsZero():
	case sendAt.Before(now.Add(-sendAtGrace)):
		c.late.add("sendAt", ProblemInPast, "must not be more than a minute ago")
	case sendAt.After(now.Add(sendAtAhead)):
		c.late.add("sendAt", ProblemTooFar, "must be within 30 days")
	}
	c.future(fieldExpiresAt, expiresAt, now)
	if !sendAt.IsZero() && !expiresAt.IsZero() && !expiresAt.After(sendAt) {
		c.problems.add(fieldExpiresAt, ProblemConflict, "must be after sendAt")
	}
	return sendAt, expiresAt
}

func (c *check) future(name string, at, now time.Time) {
	if !at.IsZero() && !at.After(now) {
		c.late.add(name, ProblemInPast, "must be in the future")
	}
}

// time reads an RFC 3339 time, in UTC and milliseconds.
func (c *check) time(name string, value *string) time.Time {
	if value == nil {
		return time.Time{}
	}
	at, ok := ParseTime(*value)
	if !ok {
		c.problems.add(name, ProblemInvalid, "must be an RFC 3339 time such as 2026-01-31T09:00:00Z")
	}
	return at
}

// timePattern is the form of RFC 3339: package time also accepts other forms. T and
// Z may be small letters (RFC 3339, 5.6).
var timePattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// ParseTime reads a strict RFC 3339 time, in UTC and milliseconds.
func ParseTime(value string) (time.Time, bool) {
	if !timePattern.MatchString(value) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(value))
	if err != nil {
		return time.Time{}, false
	}
	at = at.UTC().Truncate(time.Millisecond)
	const lastYear = 9999
	if at.Year() < 1 || at.Year() > lastYear || at.IsZero() {
		return time.Time{}, false // the offset moved it out of the years of RFC 3339
	}
	return at, true
}
