package message

import (
	"math"
	"strconv"

	"mmsdispatch/internal/strictjson"
)

// fieldPace is the member of a batch, and the parameter of a stream, that limits how
// many of its messages go out in a second.
const fieldPace = "maxPerSecond"

const paceText = "must be a number from 0.000001 to 1000000"

// paceOf is a number of messages a second as a pace: messages in a million seconds.
func paceOf(perSecond float64) (pace int64, ok bool) {
	const micro, most = paceUnit, 1_000_000
	if !(perSecond >= 1.0/micro && perSecond <= most) { // NaN, too
		return 0, false
	}
	return int64(math.Round(perSecond * micro)), true
}

// paceUnit is one message a second, as a pace.
const paceUnit = 1_000_000

// PerSecond is a pace as messages a second.
func PerSecond(pace int64) float64 { return float64(pace) / paceUnit }

// ParsePace reads the pace of a stream from its parameter.
func ParsePace(parameter string) (pace int64, wrong []FieldError) {
	perSecond, err := strconv.ParseFloat(parameter, 64)
	pace, ok := paceOf(perSecond)
	if err != nil || !ok {
		return 0, []FieldError{{Field: fieldPace, Code: ProblemInvalid, Message: paceText}}
	}
	return pace, nil
}

// pace reads the pace of a batch; null: none.
func (c *check) pace(m strictjson.Member) (pace int64) {
	if m.Value.IsNull() {
		return 0
	}
	perSecond, isNumber := m.Value.Number()
	pace, ok := paceOf(perSecond)
	switch {
	case !isNumber:
		c.problems.add(m.Name, ProblemWrongType, "must be a number")
	case !ok:
		c.problems.add(m.Name, ProblemInvalid, paceText)
	}
	return pace
}
