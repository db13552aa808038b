package message

import (
	"time"

	"mmsdispatch/internal/strictjson"
)

// ReplayRequest is the body of the request that replays a message.
type ReplayRequest struct {
	Force     bool      // also a message of unknown outcome, which may be sent twice then
	ExpiresAt time.Time // zero: no expiry, or the old one where it has not passed
}

// ParseReplay reads the body of a replay. The error is a *strictjson.SyntaxError for
// a body that is not a JSON object.
func ParseReplay(body []byte, now time.Time) (ReplayRequest, []FieldError, error) {
	value, err := parseObject(body)
	if err != nil {
		return ReplayRequest{}, nil, err
	}
	var request ReplayRequest
	c := check{problems: &problems{}}
	eachMember(value, &c, func(m strictjson.Member) bool {
		switch m.Name {
		case "force":
			force, ok := m.Value.Bool()
			if !ok && !m.Value.IsNull() {
				c.problems.add(m.Name, ProblemWrongType, "must be true or false")
			}
			request.Force = force
		case fieldExpiresAt:
			request.ExpiresAt = c.timeValue(m, now)
		default:
			return false
		}
		return true
	})
	return request, append(c.problems.list, c.late.list...), nil
}

// ParseNothing reads the body of a request that has no fields.
func ParseNothing(body []byte) ([]FieldError, error) {
	value, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	c := check{problems: &problems{}}
	eachMember(value, &c, func(strictjson.Member) bool { return false })
	return c.problems.list, nil
}

// eachMember calls read with the members of an object; read returns false for an
// unknown name.
func eachMember(object strictjson.Value, c *check, read func(strictjson.Member) bool) {
	var names nameSet
	for m := range object.Members() {
		switch {
		case !names.add(m.Name):
			c.problems.add(shown(m.Name), ProblemDuplicateField, "written more than once")
		case !read(m):
			c.problems.add(shown(m.Name), ProblemUnknownField, "there is no such field")
		}
	}
}

// timeValue reads a member that is a time in the future, or null.
func (c *check) timeValue(m strictjson.Member, now time.Time) time.Time {
	text, ok := c.stringValue(m)
	if !ok {
		return time.Time{}
	}
	at := c.time(m.Name, &text)
	c.future(m.Name, at, now)
	return at
}
