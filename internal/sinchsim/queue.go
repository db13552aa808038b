package sinchsim

import (
	"sync"
	"time"
)

// Queue is Sinch's queue of accepted messages: first in, first out, at a rate.
type Queue struct {
	mu    sync.Mutex
	empty time.Time // when the queue is drained
}

// Push returns the time at which a message that is added at now is sent. A
// perSecond of 0 is no limit.
func (q *Queue) Push(now time.Time, perSecond float64) time.Time {
	if perSecond <= 0 {
		return now
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	at := now
	if q.empty.After(now) {
		at = q.empty
	}
	q.empty = at.Add(time.Duration(float64(time.Second) / perSecond))
	return at
}

// Len returns the number of messages that wait at now.
func (q *Queue) Len(now time.Time, perSecond float64) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(0, int(q.empty.Sub(now).Seconds()*perSecond))
}

// Clear drops all messages.
func (q *Queue) Clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.empty = time.Time{}
}
