package dispatch

import (
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// The cache of calls keeps the most recent ones: those that a Redis which goes
// back to older data has lost.
const (
	callsFor = 10 * time.Minute
	callsMax = 100_000
)

// callCache holds the calls of the last minutes, so that the worker can restore
// them in a Redis that has lost them: its own with their outcome, those of other
// workers without, since the worker that made them may be gone.
type callCache struct {
	mu    sync.Mutex
	calls map[callKey]*Call
	order []*Call // oldest first, each call once
}

type callKey struct {
	id message.ID
	n  int
}

// Call is one call as far as this process knows it. Of a call that another
// worker has begun, Attempt has the number, the worker and the request alone.
type Call struct {
	ID      message.ID
	Attempt message.Attempt
	Outcome *message.Outcome // nil: not known here
	SeenAt  time.Time        // when this process learnt of it
}

func newCallCache() *callCache { return &callCache{calls: make(map[callKey]*Call)} }

// put adds a call, unless it is there.
func (c *callCache) put(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := callKey{call.ID, call.Attempt.N}
	if _, exists := c.calls[key]; exists {
		return
	}
	c.calls[key] = &call
	c.order = append(c.order, &call)
	c.evict(call.SeenAt)
}

// onBegin adds a call that another worker has begun.
func (c *callCache) onBegin(b ledger.Begin) {
	c.put(Call{ID: b.ID, Attempt: message.Attempt{N: b.N, Worker: b.Worker, Call: b.Call}, SeenAt: time.Now()})
}

// evict drops the calls that are too old or too many.
func (c *callCache) evict(now time.Time) {
	for len(c.order) > 0 {
		oldest := c.order[0]
		if now.Sub(oldest.SeenAt) <= callsFor && len(c.order) <= callsMax {
			return
		}
		delete(c.calls, callKey{oldest.ID, oldest.Attempt.N})
		c.order[0] = nil
		c.order = c.order[1:]
	}
}

// concluded adds the outcome of a call of this process.
func (c *callCache) concluded(id message.ID, n int, o message.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call, ok := c.calls[callKey{id, n}]; ok {
		call.Outcome = &o
	}
}

// all returns the calls, oldest first.
func (c *callCache) all(now time.Time) []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evict(now)
	calls := make([]Call, len(c.order))
	for i, call := range c.order {
		calls[i] = *call
	}
	return calls
}
