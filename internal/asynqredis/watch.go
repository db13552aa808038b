package asynqredis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

const (
	// pollEvery is the pause between two polls while tasks arrive; without any, the
	// pauses grow up to pollAtMost.
	pollEvery  = 50 * time.Millisecond
	pollAtMost = 2 * time.Second
	pollGrowth = 1.5
	// notifyEvery is the shortest interval between a process's announcements of a lane:
	// a worker that was woken by the last one polls again as soon.
	notifyEvery = pollEvery
)

// Watch polls the lists for tasks until ctx ends: at once when another process
// announces one, and otherwise in growing pauses, since an announcement can be missed
// and an operator can move tasks without one.
func (s *Servers) Watch(ctx context.Context) {
	var listening sync.WaitGroup
	defer listening.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listening.Go(func() { s.listen(ctx) })
	pause := pollEvery
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wakeUp:
			pause = pollEvery
			if !wait(ctx, pollEvery/2) { // one poll for several announcements
				return
			}
		}
		if s.lists.polled(s.poll(ctx)) {
			pause = pollEvery
		} else {
			pause = min(time.Duration(pollGrowth*float64(pause)), pollAtMost)
		}
		timer.Reset(pause)
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// pollSoon makes Watch poll soon.
func (s *Servers) pollSoon() {
	select {
	case s.wakeUp <- struct{}{}:
	default:
	}
}

// poll reads the lists that have tasks, and the times of the first delayed ones.
func (s *Servers) poll(ctx context.Context) error {
	pipe := s.rdb.Pipeline()
	waiting := make([]*redis.IntCmd, len(s.lanes))
	delayed := make(map[string]*redis.ZSliceCmd, 2*len(s.lanes))
	for i, lane := range s.lanes {
		waiting[i] = pipe.LLen(ctx, pendingKey(lane))
		for _, key := range []string{scheduledKey(lane), retryKey(lane)} {
			delayed[key] = pipe.ZRangeWithScores(ctx, key, 0, 0)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("poll for tasks: %w", err)
	}
	for i, lane := range s.lanes {
		if waiting[i].Val() > 0 {
			s.lists.gained(pendingKey(lane), s.clock())
		}
	}
	for key, cmd := range delayed {
		if first := cmd.Val(); len(first) > 0 {
			s.lists.gained(key, time.Unix(int64(first[0].Score), 0))
		}
	}
	return nil
}

// listen receives the announcements of other processes and the ids of tasks to
// cancel.
func (s *Servers) listen(ctx context.Context) {
	redisconn.Subscribe(ctx, s.rdb, func(m *redis.Message) {
		if m.Channel == cancelChannel {
			s.cancelations.publish(m.Payload)
			return
		}
		for lane := range strings.FieldsSeq(m.Payload) {
			s.lists.gained(pendingKey(lane), s.clock())
		}
		s.pollSoon()
	}, channel(s.rdb), cancelChannel)
}

// Notifier announces tasks to idle workers.
type Notifier struct {
	channel string

	mu        sync.Mutex
	announced map[string]time.Time // by lane
}

// NewNotifier announces to the workers that use the same Redis.
func NewNotifier(rdb redis.UniversalClient) *Notifier {
	return &Notifier{channel: channel(rdb), announced: make(map[string]time.Time)}
}

// Notify adds to a pipeline, as its last command, the announcement of tasks in
// some lanes, unless each of them was announced a moment ago.
func (n *Notifier) Notify(ctx context.Context, pipe redis.Pipeliner, lanes map[string]bool) {
	if fresh := n.fresh(lanes, time.Now()); len(fresh) > 0 {
		pipe.Publish(ctx, n.channel, strings.Join(fresh, " "))
	}
}

func (n *Notifier) fresh(lanes map[string]bool, now time.Time) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var fresh []string
	for lane := range lanes {
		if now.Sub(n.announced[lane]) >= notifyEvery {
			fresh = append(fresh, lane)
			n.announced[lane] = now
		}
	}
	return fresh
}

// channel is the name of the channel for announcements. It contains the database,
// since channels belong to the whole server.
func channel(rdb redis.UniversalClient) string {
	database := 0
	if single, ok := rdb.(*redis.Client); ok {
		database = single.Options().DB
	}
	return redisconn.KeyPrefix + "tasks:" + strconv.Itoa(database)
}
