package asynqredis

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// lists records which of asynq's lists may have a task to dequeue now. A list that is
// not recorded is empty.
type lists struct {
	clock  func() time.Time // Redis'
	report func(error)

	mu      sync.Mutex
	known   map[string]list
	changed chan struct{} // closed, and replaced, when a list may have gained a task
	active  bool          // a task was dequeued or moved since the last poll
	blocked bool          // Redis failed: no script runs before the next poll
	failing failure
}

// list is the state of one list.
type list struct {
	since   time.Time // the time from which it may have a task; zero: it has none
	version int       // incremented by every indication of a new task
}

// failure is the last error of Redis that was reported and is not over.
type failure int

const (
	noFailure     failure = iota
	pollFailure           // the next successful poll ends it
	scriptFailure         // the next successful script ends it
)

func newLists(clock func() time.Time, report func(error)) *lists {
	return &lists{clock: clock, report: report, known: make(map[string]list), changed: make(chan struct{})}
}

// mayHaveTask reports whether a list may have a task now, and the version to pass to
// found.
func (l *lists) mayHaveTask(name string) (version int, may bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[name].version, l.may(name)
}

func (l *lists) may(name string) bool {
	since := l.known[name].since
	return !l.blocked && !since.IsZero() && !l.clock().Before(since)
}

// await returns when one of the lists may have a task, or ctx ends.
func (l *lists) await(ctx context.Context, names []string) {
	for {
		l.mu.Lock()
		may, changed := slices.ContainsFunc(names, l.may), l.changed
		l.mu.Unlock()
		if may {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// gained records that a list may have a task from a time on.
func (l *lists) gained(name string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.known[name]
	l.known[name] = list{since: since, version: known.version + 1}
	l.wake()
}

// wake makes await check again.
func (l *lists) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// found records that a list of a version had a task, or had none.
func (l *lists) found(name string, version int, some bool) {
	l.mu.Lock()
	l.active = l.active || some
	if known := l.known[name]; !some && known.version == version {
		l.known[name] = list{version: version}
	}
	over := l.failing == scriptFailure
	if over {
		l.failing = noFailure
	}
	l.mu.Unlock()
	if over {
		l.report(nil)
	}
}

// scriptFailed records that Redis did not run a script: none runs before the next
// poll, since asynq itself would repeat it at once.
func (l *lists) scriptFailed(err error) {
	kind := pollFailure
	if _, answered := err.(redis.Error); answered { //nolint:errorlint // as it comes from the connection
		kind = scriptFailure
	}
	l.fail(kind, err)
}

func (l *lists) fail(kind failure, err error) {
	l.mu.Lock()
	l.blocked = true
	first := l.failing == noFailure
	l.failing = kind
	l.mu.Unlock()
	if first {
		l.report(err)
	}
}

// polled records the outcome of a poll of all lists, and reports whether tasks were
// dequeued since the last one.
func (l *lists) polled(err error) (active bool) {
	if err != nil {
		l.fail(pollFailure, err)
		return false
	}
	l.mu.Lock()
	active, l.active, l.blocked = l.active, false, false
	over := l.failing == pollFailure
	if over {
		l.failing = noFailure
	}
	l.wake()
	l.mu.Unlock()
	if over {
		l.report(nil)
	}
	return active
}
