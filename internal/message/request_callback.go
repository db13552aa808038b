package message

import (
	"slices"
	"strings"

	"mmsdispatch/internal/strictjson"
)

// CallbackRequest is what a caller may say of the callback of its tenant.
type CallbackRequest struct {
	URL     string
	Events  []string // nil: absent
	Enabled bool     // true when absent
}

// CallbackRules are the rules for callbacks.
type CallbackRules struct {
	Events    []string // that may be named, "*" among them
	AllowHTTP bool     // http beside https
}

// Parse reads the body of a callback. The error is a *strictjson.SyntaxError for a
// body that cannot be read at all.
func (r CallbackRules) Parse(body []byte) (CallbackRequest, []FieldError, error) {
	value, err := parseObject(body)
	if err != nil {
		return CallbackRequest{}, nil, err
	}
	request := CallbackRequest{Enabled: true}
	c := check{problems: &problems{}}
	given := false
	eachMember(value, &c, func(m strictjson.Member) bool {
		switch m.Name {
		case "url":
			if text, ok := c.stringValue(m); ok {
				given = true
				request.URL = c.url(m.Name, text)
				if strings.HasPrefix(text, "http:") && !r.AllowHTTP {
					c.problems.add(m.Name, ProblemInvalid, "must be an https URL")
				}
			} else {
				given = !m.Value.IsNull()
			}
		case "events":
			request.Events = r.events(&c, m)
		case "enabled":
			enabled, ok := m.Value.Bool()
			if !ok && !m.Value.IsNull() {
				c.problems.add(m.Name, ProblemWrongType, "must be true or false")
			}
			request.Enabled = enabled || m.Value.IsNull()
		default:
			return false
		}
		return true
	})
	if !given {
		c.problems.add("url", ProblemRequired, "is required")
	}
	return request, c.problems.list, nil
}

// events reads the list of events.
func (r CallbackRules) events(c *check, m strictjson.Member) []string {
	if m.Value.IsNull() {
		return nil
	}
	if !m.Value.IsArray() {
		c.problems.add(m.Name, ProblemWrongType, "must be an array of strings")
		return nil
	}
	events := []string{}
	i := 0
	for element := range m.Value.Elements() {
		name := m.Name + "[" + decimal(i) + "]"
		i++
		text, ok := element.Text()
		switch {
		case !ok:
			c.problems.add(name, ProblemWrongType, "must be a string")
		case !slices.Contains(r.Events, text):
			c.problems.add(name, ProblemInvalid, "there is no such event")
		case !slices.Contains(events, text):
			events = append(events, text)
		}
	}
	if i == 0 {
		c.problems.add(m.Name, ProblemRequired, "must name at least one event")
	}
	return events
}
