package jobs

import (
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// How many calls a worker remembers, and for how long: the last ones are what
// a Redis that goes back to older data has forgotten.
const (
	memoryFor = 10 * time.Minute
	memoryMax = 100_000
)

// memory is what a worker knows of the calls of the last minutes, so that it
// can tell a Redis that has forgotten them: of its own ones also how they
// ended, of those of other workers that they were begun, since whoever made
// them may be gone.
type memory struct {
	mu    sync.Mutex
	calls map[callKey]*call
	order []*call // oldest first; a call that is told anew is in it once
}

type callKey struct {
	id message.ID
	n  int
}

// call is one call as far as this process knows it.
type call struct {
	id      message.ID
	attempt message.Attempt
	outcome *message.Outcome // nil: not known here
	heard   time.Time
}

func newMemory() *memory { return &memory{calls: make(map[callKey]*call)} }

// begun remembers a call that this process begins.
func (k *memory) begun(id message.ID, a message.Attempt) {
	k.keep(call{id: id, attempt: a, heard: time.Now()})
}

// heard remembers a call that another worker begins.
func (k *memory) heard(b ledger.Begin) {
	k.keep(call{id: b.ID, attempt: message.Attempt{N: b.N, Worker: b.Worker, Call: b.Call}, heard: time.Now()})
}

func (k *memory) keep(c call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := callKey{c.id, c.attempt.N}
	if _, known := k.calls[key]; known {
		return
	}
	k.calls[key] = &c
	k.order = append(k.order, &c)
	k.forget(c.heard)
}

// forget lets go of what is too old or too much.
func (k *memory) forget(now time.Time) {
	for len(k.order) > 0 {
		oldest := k.order[0]
		if now.Sub(oldest.heard) <= memoryFor && len(k.order) <= memoryMax {
			return
		}
		delete(k.calls, callKey{oldest.id, oldest.attempt.N})
		k.order[0] = nil
		k.order = k.order[1:]
	}
}

// concluded remembers how a call of this process ended.
func (k *memory) concluded(id message.ID, n int, o message.Outcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.calls[callKey{id, n}]; ok {
		known.outcome = &o
	}
}

// all lists the calls that are remembered, oldest first.
func (k *memory) all(now time.Time) []call {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget(now)
	calls := make([]call, len(k.order))
	for i, c := range k.order {
		calls[i] = *c
	}
	return calls
}
