package ledger

import (
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
)

// counter names the count a message is part of; empty for a message whose
// record runs out by itself, since nobody would lower the count then.
func counter(m *message.Message) string {
	if m.Status.Expires() {
		return ""
	}
	return string(m.Status) + ":" + string(m.Content.Priority)
}

func parseCounts(values map[string]string) map[message.Status]map[message.Priority]int64 {
	counts := make(map[message.Status]map[message.Priority]int64)
	for name, value := range values {
		status, lane, _ := strings.Cut(name, ":")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		if counts[message.Status(status)] == nil {
			counts[message.Status(status)] = make(map[message.Priority]int64)
		}
		counts[message.Status(status)][message.Priority(lane)] = n
	}
	return counts
}
