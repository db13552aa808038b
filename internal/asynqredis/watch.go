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
	// lookEvery is the pause between two looks while tasks come; without any, the
	// pauses grow up to lookAtMost.
	lookEvery  = 50 * time.Millisecond
	lookAtMost = 2 * time.Second
	lookGrowth = 1.5
	// notifyEvery is how often a process announces tasks of one lane, at most: a
	// worker that was woken by the last announcement looks again as soon.
	notifyEvery = lookEvery
)

// Watch polls the lists for tasks until ctx ends: at once when another process
// announces one, and otherwise in growing pauses, since an announcement can be
// missed and an operator can move tasks without one.
func (s *Servers) Watch(ctx context.Context) {
	var listening sync.WaitGroup
	defer listening.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listening.Go(func() { s.listen(ctx) })
	pause := lookEvery
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.stirred:
			pause = lookEvery
			if !wait(ctx, lookEvery/2) { // several at once are one
				return
			}
		}
		if s.lists.looked(s.look(ctx)) {
			pause = lookEvery
		} else {
			pause = min(time.Duration(lookGrowth*float64(pause)), lookAtMost)
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

// stir makes Watch poll again soon.
func (s *Servers) stir() {
	select {
	case s.stirred <- struct{}{}:
	default:
	}
}

// look reads which lists have tasks, and when the first delayed ones are due.
func (s *Servers) look(ctx context.Context) error {
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
		return fmt.Errorf("look for tasks: %w", err)
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

// listen takes the announcements of other processes, and the ids of tasks to
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
		s.stir()
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

// channel is where tasks are announced. Channels know no databases, so that its
// name has to.
func channel(rdb redis.UniversalClient) string {
	database := 0
	if single, ok := rdb.(*redis.Client); ok {
		database = single.Options().DB
	}
	return redisconn.KeyPrefix + "tasks:" + strconv.Itoa(database)
}
