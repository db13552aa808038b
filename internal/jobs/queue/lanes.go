package queue

import (
	"strconv"

	"mmsdispatch/internal/message"
)

// bulkPart names a queue of the bulk Lane: bulk, bulk-1 and so on, one for each
// shard, so that a tenant with a long queue stands beside the others and not
// before them.
func bulkPart(shard int) string {
	if shard == 0 {
		return string(message.Bulk)
	}
	return string(message.Bulk) + "-" + strconv.Itoa(shard)
}

// Test names the queue of test messages, whatever their lane.
const Test = "test"

// LaneOf names the queue a message waits in.
func LaneOf(m *message.Message) string {
	if m.Scope.Test {
		return Test
	}
	if m.Content.Priority != message.Bulk {
		return string(m.Content.Priority)
	}
	return bulkPart(m.Shard)
}

// Lanes names all queues, the most urgent first.
func Lanes() []string {
	lanes := make([]string, 0, message.BulkShards+3) //nolint:mnd // those named here
	lanes = append(lanes, string(message.High), string(message.Normal), Test)
	for shard := range message.BulkShards {
		lanes = append(lanes, bulkPart(shard))
	}
	return lanes
}

// SharedLanes are the weights of the queues that share slots: all but high and test. A
// queue that is empty costs a question to Redis each time its turn comes, so
// the one lane that always has traffic weighs as much as all shards together.
func SharedLanes() map[string]int {
	weights := make(map[string]int)
	for _, lane := range Lanes() {
		switch lane {
		case string(message.High), Test:
		case string(message.Normal):
			weights[lane] = message.BulkShards
		default:
			weights[lane] = 1
		}
	}
	return weights
}
