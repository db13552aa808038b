package jobs

import (
	"strconv"

	"mmsdispatch/internal/message"
)

// bulkPart begins the names of the queues that the bulk lane is made of: one
// for each shard, so that a tenant with a long queue stands beside the others
// and not before them.
const bulkPart = string(message.Bulk) + "-"

// laneOf names the queue a message waits in.
func laneOf(m *message.Message) string {
	if m.Content.Priority != message.Bulk {
		return string(m.Content.Priority)
	}
	return bulkPart + strconv.Itoa(m.Shard)
}

// Lanes names all queues, the most urgent first.
func Lanes() []string {
	lanes := make([]string, 0, message.BulkShards+2)
	lanes = append(lanes, string(message.High), string(message.Normal))
	for shard := range message.BulkShards {
		lanes = append(lanes, bulkPart+strconv.Itoa(shard))
	}
	return lanes
}

// sharedLanes are the weights of the queues that share slots: all but high. A
// queue that is empty costs a question to Redis each time its turn comes, so
// the one lane that always has traffic weighs as much as all shards together.
func sharedLanes() map[string]int {
	weights := make(map[string]int)
	for _, lane := range Lanes() {
		switch lane {
		case string(message.High):
		case string(message.Normal):
			weights[lane] = message.BulkShards
		default:
			weights[lane] = 1
		}
	}
	return weights
}
