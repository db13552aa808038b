package dispatch

import (
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// The bounds of the cache of calls. A rollback of Redis loses the most recent ones.
const (
	callsFor = 10 * time.Minute
	callsMax = 100_000
)

// callCache holds the calls of the last minutes, so that the worker can restore
// them after a rollback of Redis: its own calls with their outcome, those of other
// workers without it, since those workers may have crashed.
type callCache struct {
	mu    sync.Mutex
	calls map[callKey]*Call
	order []*Call // oldest first, each call once
}

type callKey struct {
	id message.ID
	n  int
}

// Call is one cached call. For a call of another worker, Attempt has only N, Worker
// and Call.
type Call struct {
	ID      message.ID
	Attempt message.Attempt
	Outcome *message.Outcome // nil: not known to this process
	SeenAt  time.Time        // when it was cached
}

func newCallCache() *callCache { return &callCache{calls: make(map[callKey]*Call)} }

// put adds a call, unless the cache has it.
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
