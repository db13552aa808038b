package message

import (
	"slices"
	"strconv"
	"time"

	"mmsdispatch/internal/strictjson"
)

// ReplaysRequest is the body of the request that replays many messages.
type ReplaysRequest struct {
	Statuses []Status
	Reasons  []ReasonCode
	BatchID  BatchID
	After    time.Time // exclusive, like Before
	Before   time.Time
	Rate     float64 // messages per second; 0: absent
	Force    bool
}

// replayRateMax is the greatest pace of a replay, in messages per second.
const replayRateMax = 1000

// ReplayableStatuses lists the states from which a message can be replayed.
func ReplayableStatuses() []Status {
	return []Status{StatusUndelivered, StatusFailed, StatusExpired, StatusCanceled, StatusUnknown}
}

// ParseReplays reads the body of a replay of many messages. The error is a
// *strictjson.SyntaxError for a body that is not a JSON object.
func ParseReplays(body []byte) (ReplaysRequest, []FieldError, error) {
	value, err := parseObject(body)
	if err != nil {
		return ReplaysRequest{}, nil, err
	}
	var r ReplaysRequest
	c := check{problems: &problems{}}
	eachMember(value, &c, func(m strictjson.Member) bool {
		switch m.Name {
		case "filter":
			r.filter(&c, m)
		case "ratePerSecond":
			r.Rate = c.rate(m)
		case "force":
			force, ok := m.Value.Bool()
			if !ok && !m.Value.IsNull() {
				c.problems.add(m.Name, ProblemWrongType, "must be true or false")
			}
			r.Force = force
		default:
			return false
		}
		return true
	})
	if len(r.Statuses) == 0 && len(c.problems.list) == 0 {
		c.problems.add("filter.status", ProblemRequired, "must name at least one state")
	}
	return r, c.problems.list, nil
}

func (r *ReplaysRequest) filter(c *check, filter strictjson.Member) {
	if !filter.Value.IsObject() {
		c.problems.add(filter.Name, ProblemWrongType, "must be an object")
		return
	}
	eachMember(filter.Value, c, func(m strictjson.Member) bool {
		name := m.Name
		m.Name = filter.Name + "." + name
		switch name {
		case "status":
			r.Statuses = wordsOf(c, m, ReplayableStatuses(), "messages in this state cannot be replayed")
		case "reason":
			r.Reasons = wordsOf(c, m, ReasonCodes(), "there is no such reason")
		case "batchId":
			text, ok := c.stringValue(m)
			if id, err := ParseBatchID(text); ok && err == nil {
				r.BatchID = id
			} else if ok {
				c.problems.add(m.Name, ProblemInvalid, "must be the id of a batch")
			}
		case "createdAfter":
			r.After = c.moment(m)
		case "createdBefore":
			r.Before = c.moment(m)
		default:
			c.problems.add(filter.Name+"."+shown(name), ProblemUnknownField, "there is no such field")
		}
		return true
	})
}

// moment reads a member that is a time, or null.
func (c *check) moment(m strictjson.Member) time.Time {
	text, ok := c.stringValue(m)
	if !ok {
		return time.Time{}
	}
	return c.time(m.Name, &text)
}

// rate reads a pace in messages per second, or null.
func (c *check) rate(m strictjson.Member) float64 {
	if m.Value.IsNull() {
		return 0
	}
	rate, err := strconv.ParseFloat(string(m.Value.Raw()), 64)
	switch {
	case err != nil:
		c.problems.add(m.Name, ProblemWrongType, "must be a number")
	case rate <= 0 || rate > replayRateMax:
		c.problems.add(m.Name, ProblemInvalid, "must be more than 0 and at most "+strconv.Itoa(replayRateMax))
	}
	return rate
}

// wordsOf reads an array of known words, or null.
func wordsOf[T ~string](c *check, m strictjson.Member, known []T, unknown string) []T {
	if m.Value.IsNull() {
		return nil
	}
	if !m.Value.IsArray() {
		c.problems.add(m.Name, ProblemWrongType, "must be an array of strings")
		return nil
	}
	var all []T
	i := 0
	for element := range m.Value.Elements() {
		name := m.Name + "[" + decimal(i) + "]"
		i++
		text, ok := element.Text()
		switch {
		case !ok:
			c.problems.add(name, ProblemWrongType, "must be a string")
		case !slices.Contains(known, T(text)):
			c.problems.add(name, ProblemInvalid, unknown)
		case !slices.Contains(all, T(text)):
			all = append(all, T(text))
		}
	}
	return all
}
