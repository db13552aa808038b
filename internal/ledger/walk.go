package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// walk selects the waiting messages to check. Their lists are sorted by the time
// since which they are due, and a check does not move them. Every message is listed
// once soon after it became due, however many wait. All due messages are also
// listed in cycles, from the newest to the oldest: a removal in the meantime moves
// only messages that the cycle has already listed.
type walk struct {
	checks Checks

	mu    sync.Mutex
	lanes []laneWalk
}

type laneWalk struct {
	fresh     time.Time // messages that became due before it have been listed once
	began     time.Time // of the cycle
	total     int64     // messages that were due when it began
	remaining int64     // the oldest messages, which the cycle has not listed yet
	first     bool      // the first cycle of a process lists all messages without a pace
}

// cyclePace is the number of messages that a cycle lists in a second; cycleMax
// bounds its length in units of Checks.Waiting. The messages of a long queue are
// checked less often.
const (
	cyclePace = 1000
	cycleMax  = 4
)

func newWalk(checks Checks) *walk { return &walk{checks: checks, lanes: make([]laneWalk, lanes)} }

// next lists up to n messages, those first that became due last.
func (w *walk) next(ctx context.Context, l *Ledger, now time.Time, n int) ([]Due, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys, until := l.waitingKeys(), now.Add(-w.checks.Accepted)
	pipe := l.rdb.Pipeline()
	counts, fresh := make([]*redis.IntCmd, lanes), make([]*redis.ZSliceCmd, lanes)
	for i, key := range keys {
		if w.lanes[i].fresh.IsZero() {
			w.lanes[i].fresh = until // the first cycle begins with the newest
		}
		counts[i] = pipe.ZCount(ctx, key, lowest, scoreOf(until))
		fresh[i] = pipe.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: key, ByScore: true, Rev: true, Start: scoreOf(until), Stop: "(" + scoreOf(w.lanes[i].fresh), Count: int64(n),
		})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("list waiting messages", err)
	}
	var due []Due
	seen := make(map[Due]bool)
	add := func(list string, entries []redis.Z) {
		for _, d := range listed(list, entries) {
			if len(due) < n && !seen[d] {
				seen[d] = true
				due = append(due, d)
			}
		}
	}
	for i, key := range keys {
		w.lanes[i].fresh = until
		add(key, fresh[i].Val())
	}
	for i, key := range keys {
		lane := &w.lanes[i]
		size := min(lane.behind(counts[i].Val(), now, w.checks.Waiting), int64(n-len(due)))
		if size <= 0 {
			continue
		}
		entries, err := l.rdb.ZRangeWithScores(ctx, key, lane.remaining-size, lane.remaining-1).Result()
		if err != nil {
			return nil, unavailable("list waiting messages", err)
		}
		lane.remaining -= size
		add(key, entries)
	}
	return due, nil
}

// behind is the number of messages that the cycle should have listed by now and has
// not; count is the number of due messages.
func (w *laneWalk) behind(count int64, now time.Time, atLeast time.Duration) int64 {
	length := func(count int64) time.Duration {
		return max(min(max(time.Duration(count)*time.Second/cyclePace, atLeast), cycleMax*atLeast), time.Millisecond)
	}
	if w.began.IsZero() {
		w.began, w.total, w.remaining, w.first = now, count, count, true
	} else if w.remaining == 0 && now.Sub(w.began) >= length(w.total) {
		w.began, w.total, w.remaining, w.first = now, count, count, false
	}
	w.remaining = min(w.remaining, count)
	if w.first {
		return w.remaining
	}
	elapsed := min(float64(now.Sub(w.began))/float64(length(w.total)), 1)
	return w.remaining - int64(float64(w.total)*(1-elapsed))
}

// Checkable reports whether the last change of a waiting message is so old that its
// task must have been enqueued. now is Redis' time.
func (l *Ledger) Checkable(m *message.Message, now time.Time) bool {
	return now.Sub(m.UpdatedAt) >= l.opts.Checks.Accepted
}
