package queue

import (
	"strconv"

	"mmsdispatch/internal/message"
)

// bulkPart names a queue of the bulk lane: bulk, bulk-1 and so on, one for each
// shard, so that the long queue of a tenant does not delay those of the others.
func bulkPart(shard int) string {
	if shard == 0 {
		return string(message.Bulk)
	}
	return string(message.Bulk) + "-" + strconv.Itoa(shard)
}

// Test names the queue of the test messages of all lanes.
const Test = "test"

// LaneOf names the queue of a message.
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
	lanes := make([]string, 0, message.BulkShards+3)
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
