package ledger

import (
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
)

// counter names the count that a message in a state is part of; empty for a state
// whose record expires, since no process would lower the count then.
func counter(status message.Status, m *message.Message) string {
	if m.Scope.Expires(status) {
		return ""
	}
	return string(status) + ":" + lane(m)
}

// lane names the lane of a message in the counts. Test messages are counted
// separately, so that they cannot fill the lane of live ones.
func lane(m *message.Message) string {
	if m.Scope.Test {
		return string(m.Content.Priority) + testLane
	}
	return string(m.Content.Priority)
}

const testLane = ":test"

func parseCounts(values map[string]string) map[message.Status]map[message.Lane]int64 {
	counts := make(map[message.Status]map[message.Lane]int64)
	for name, value := range values {
		status, waits, _ := strings.Cut(name, ":")
		priority := message.Lane(strings.TrimSuffix(waits, testLane))
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		if counts[message.Status(status)] == nil {
			counts[message.Status(status)] = make(map[message.Lane]int64)
		}
		counts[message.Status(status)][priority] += n
	}
	return counts
}
