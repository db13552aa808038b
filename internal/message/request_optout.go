package message

import (
	"strings"

	"mmsdispatch/internal/strictjson"
)

// OptOutRequest is the body of the request that opts a number out.
type OptOutRequest struct {
	Sender string // empty: every sender
	Reason string // empty: none
}

// optOutReasonMax is in code points.
const optOutReasonMax = 200

// ParseOptOut reads the body of an opt-out. The error is a
// *strictjson.SyntaxError for a body that is not a JSON object.
func (r *Rules) ParseOptOut(body []byte) (OptOutRequest, []FieldError, error) {
	value, err := parseObject(body)
	if err != nil {
		return OptOutRequest{}, nil, err
	}
	var request OptOutRequest
	c := check{problems: &problems{}}
	eachMember(value, &c, func(m strictjson.Member) bool {
		switch m.Name {
		case "sender":
			if sender, ok := c.stringValue(m); ok {
				request.Sender, ok = r.senders[strings.TrimPrefix(sender, "+")]
				if !ok {
					c.problems.add(m.Name, ProblemInvalid, "not a number that this service may send from")
				}
			}
		case "reason":
			if reason, ok := c.stringValue(m); ok {
				c.line(m.Name, reason, optOutReasonMax)
				if reason == "" {
					c.problems.add(m.Name, ProblemInvalid, emptyText)
				}
				request.Reason = reason
			}
		default:
			return false
		}
		return true
	})
	return request, c.problems.list, nil
}

// stringValue reads a member that is a string; ok is false for null, and for
// another type, which is a problem.
func (c *check) stringValue(m strictjson.Member) (text string, ok bool) {
	if m.Value.IsNull() {
		return "", false
	}
	text, ok = m.Value.Text()
	if !ok {
		c.problems.add(m.Name, ProblemWrongType, "must be a string")
	}
	return text, ok
}
