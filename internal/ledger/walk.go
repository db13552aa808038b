package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// walk chooses which waiting messages are checked. Their lists are sorted by the
// time since which they are due, and a check does not move them. Every message
// is listed once soon after it became due, however many wait, and all that are
// due in cycles, from the newest to the oldest: what is taken off the list
// meanwhile moves only places that were listed already.
type walk struct {
	checks Checks

	mu    sync.Mutex
	lanes []laneWalk
}

type laneWalk struct {
	fresh time.Time // messages that were due then have been listed once
	began time.Time // of the cycle
	total int64     // messages that were due when it began
	left  int64     // how many of the oldest it has not come to
	first bool      // a sweeper that starts checks all at once
}

// cyclePace bounds the checks of a cycle: that many messages a second, and no
// slower than cycleMax for all. A message that waits in a long queue is one of
// many, and is checked less often.
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
		counts[i] = pipe.ZCount(ctx, key, "-inf", scoreOf(until))
		fresh[i] = pipe.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: key, ByScore: true, Rev: true, Start: scoreOf(until), Stop: "(" + scoreOf(w.lanes[i].fresh), Count: int64(n),
		})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("list waiting messages", err)
	}
	var due []Due
	taken := make(map[Due]bool)
	add := func(list string, entries []redis.Z) {
		for _, d := range listed(list, entries) {
			if len(due) < n && !taken[d] {
				taken[d] = true
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
		take := min(lane.share(counts[i].Val(), now, w.checks.Waiting), int64(n-len(due)))
		if take <= 0 {
			continue
		}
		entries, err := l.rdb.ZRangeWithScores(ctx, key, lane.left-take, lane.left-1).Result()
		if err != nil {
			return nil, unavailable("list waiting messages", err)
		}
		lane.left -= take
		add(key, entries)
	}
	return due, nil
}

// share is how many messages the cycle has to come to by now; count is how many
// are due.
func (w *laneWalk) share(count int64, now time.Time, atLeast time.Duration) int64 {
	length := func(count int64) time.Duration {
		return max(min(max(time.Duration(count)*time.Second/cyclePace, atLeast), cycleMax*atLeast), time.Millisecond)
	}
	if w.began.IsZero() {
		w.began, w.total, w.left, w.first = now, count, count, true
	} else if w.left == 0 && now.Sub(w.began) >= length(w.total) {
		w.began, w.total, w.left, w.first = now, count, count, false
	}
	w.left = min(w.left, count)
	if w.first {
		return w.left
	}
	elapsed := min(float64(now.Sub(w.began))/float64(length(w.total)), 1)
	return w.left - int64(float64(w.total)*(1-elapsed))
}

// Checkable reports whether a waiting message has been left alone for long enough
// that its task must have been enqueued. now is Redis' time.
func (l *Ledger) Checkable(m *message.Message, now time.Time) bool {
	return now.Sub(m.UpdatedAt) >= l.opts.Checks.Accepted
}
