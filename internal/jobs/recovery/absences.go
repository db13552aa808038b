package recovery

import (
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

const (
	// clockJump is the largest drift between Redis' clock and the monotonic one in two
	// observations: more is a correction of Redis' clock.
	clockJump = 2 * time.Second
	// absenceKept is the time for which the evidence of an attempt is kept after its
	// last lookup.
	absenceKept = time.Hour
)

// absences is the evidence of this process that Sinch does not know attempts. It
// is measured on the monotonic clock, since a correction of Redis' clock makes
// two lookups of one moment look like two of different minutes. After a
// correction the evidence starts again, and no lookup counts for the time of a
// call: Redis' clock may have passed the deadline of a request that is still
// being written.
type absences struct {
	callTime time.Duration // of one call to Sinch
	now      func() time.Time

	mu       sync.Mutex
	seen     map[callKey]*absence
	redis    time.Time // Redis' time at the last observation
	local    time.Time // local time of it
	distrust time.Time // local time until which no lookup counts
}

// absence is the evidence of one attempt, in local time.
type absence struct {
	lookups     int
	first, last time.Time
}

// callKey names a call.
type callKey struct {
	id message.ID
	n  int
}

func newAbsences(callTime time.Duration, now func() time.Time) *absences {
	return &absences{callTime: callTime, now: now, seen: make(map[callKey]*absence)}
}

// observe compares Redis' time with the monotonic clock.
func (a *absences) observe(redis time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	local := a.now()
	if jump := redis.Sub(a.redis) - local.Sub(a.local); !a.redis.IsZero() && jump.Abs() > clockJump {
		clear(a.seen)
		a.distrust = local.Add(a.callTime + deadlineSlack)
	}
	a.redis, a.local = redis, local
}

// add adds a lookup that began at a local time and did not find attempt n. When the
// lookup does not count, it returns the time until the next one does.
func (a *absences) add(id message.ID, n int, begun time.Time) (message.Absence, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait := a.distrust.Sub(begun); wait > 0 {
		return message.Absence{}, wait
	}
	a.prune(begun)
	key := callKey{id, n}
	if a.seen[key] == nil {
		a.seen[key] = &absence{first: begun}
	}
	one := a.seen[key]
	one.lookups++
	one.last = begun
	return message.Absence{Lookups: one.lookups, Over: one.last.Sub(one.first)}, 0
}

// drop removes the evidence of an attempt.
func (a *absences) drop(id message.ID, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.seen, callKey{id, n})
}

// prune removes the evidence of attempts that a receipt or another process has
// resolved. The caller holds mu.
func (a *absences) prune(now time.Time) {
	for key, one := range a.seen {
		if now.Sub(one.last) > absenceKept {
			delete(a.seen, key)
		}
	}
}
