package ledger

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// lanes is the number of lanes, each of which has a list of waiting messages.
const lanes = 3

// laneIndex is the place of a message's lane among the lanes.
func laneIndex(m *message.Message) int {
	return max(0, slices.Index(message.Lanes(), m.Content.Priority))
}

// waitingKeys are the lists of waiting messages, one a lane, by the time since
// which a message is due.
func (l *Ledger) waitingKeys() []string {
	keys := make([]string, lanes)
	for i, lane := range message.Lanes() {
		keys[i] = l.key(string(Waiting) + ":" + string(lane))
	}
	return keys
}

// dueSince is the time since which a waiting message could have been sent: that of
// its acceptance or replay, or its sendAt. Deferrals and retries do not change it.
func dueSince(m *message.Message) time.Time {
	if m.Status == message.StatusScheduled {
		return m.NextAt
	}
	since := m.CreatedAt
	if m.Content.SendAt.After(since) {
		since = m.Content.SendAt
	}
	if m.Replays == 0 {
		return since
	}
	for i := len(m.Timeline) - 1; i > 0; i-- {
		if before := m.Timeline[i-1].Status; m.Timeline[i].Status.Waiting() && (before.Final() || before == message.StatusUnknown) {
			if replayed := m.Timeline[i].At; replayed.After(since) {
				return replayed
			}
			return since
		}
	}
	return since
}

// LaneState is the number and the age of the messages in a lane.
type LaneState struct {
	Messages map[message.Status]int64 // in the states that are neither sent nor final
	// Oldest is the time since which the oldest waiting message could have been
	// sent, as an age; zero: none waits.
	Oldest time.Duration
}

// Lanes reads the state of every lane. Test messages are included.
func (l *Ledger) Lanes(ctx context.Context) (map[message.Lane]LaneState, error) {
	pipe := l.rdb.Pipeline()
	clock, counts := pipe.Time(ctx), pipe.HGetAll(ctx, l.key("counts"))
	oldest := make([]*redis.ZSliceCmd, lanes)
	for i, key := range l.waitingKeys() {
		oldest[i] = pipe.ZRangeWithScores(ctx, key, 0, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read lanes", err)
	}
	byStatus := parseCounts(counts.Val())
	states := make(map[message.Lane]LaneState, lanes)
	for i, lane := range message.Lanes() {
		state := LaneState{Messages: make(map[message.Status]int64)}
		for _, status := range message.Statuses() {
			if !status.Expires() {
				state.Messages[status] = byStatus[status][lane]
			}
		}
		if first := oldest[i].Val(); len(first) > 0 {
			state.Oldest = max(0, clock.Val().Sub(time.UnixMilli(int64(first[0].Score))))
		}
		states[lane] = state
	}
	return states, nil
}

// scoreOf is a time as a bound of a range of scores.
func scoreOf(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
