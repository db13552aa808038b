package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"mmsdispatch/test/harness"
)

// callers hand messages over and do what callers should: they repeat what was
// not accepted, with the same reference, until it is.
type callers struct {
	stack *stack
	pace  *rate.Limiter
	count atomic.Int64
	wg    sync.WaitGroup

	mu      sync.Mutex
	taken   map[string]string // message id by reference
	faults  []string          // what an api must never do
	retries int
}

// callerCount is how many requests are under way at once.
const callerCount = 64

// newCallers starts callers that hand over perSecond messages until open ends,
// and then finish what they have in hand until ctx ends.
func newCallers(ctx, open context.Context, s *stack, perSecond float64, seed uint64) *callers {
	c := &callers{stack: s, pace: rate.NewLimiter(rate.Limit(perSecond), 1), taken: map[string]string{}}
	for n := range callerCount {
		dice := rand.New(rand.NewPCG(seed, uint64(n)))
		c.wg.Go(func() {
			for c.pace.Wait(open) == nil {
				c.deliver(ctx, dice)
			}
		})
	}
	return c
}

func (c *callers) messages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.taken)
}

// finish waits until nobody has a message in hand, and returns what was taken.
func (c *callers) finish(t *testing.T) map[string]string {
	t.Helper()
	c.wg.Wait()
	for _, fault := range c.faults {
		t.Error(fault)
	}
	return c.taken
}

// doubleEvery is how often a caller sends the same message twice at once.
const doubleEvery = 20

// deliver hands one message over, sometimes twice at once.
func (c *callers) deliver(ctx context.Context, dice *rand.Rand) {
	lanes := []string{"high", "normal", "normal", "bulk"}
	reference := fmt.Sprintf("order-%d", c.count.Add(1))
	m := newMessage(reference, lanes[dice.IntN(len(lanes))])
	if dice.IntN(doubleEvery) > 0 {
		c.insist(ctx, m, dice.Uint64())
		return
	}
	var pair sync.WaitGroup
	first, second := dice.Uint64(), dice.Uint64()
	pair.Go(func() { c.insist(ctx, m, first) })
	pair.Go(func() { c.insist(ctx, m, second) })
	pair.Wait()
}

// insist repeats a message until an api has taken it.
func (c *callers) insist(ctx context.Context, m message, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 0))
	for {
		api := c.stack.apis[dice.IntN(len(c.stack.apis))]
		got, err := c.stack.post(ctx, api, m)
		if err == nil && c.settled(m, got) {
			return
		}
		const least, most = 50, 300
		select {
		case <-time.After(time.Duration(least+dice.IntN(most)) * time.Millisecond):
		case <-ctx.Done():
			c.faultf("%s was never taken: %s %v", m.Reference, got, err)
			return
		}
	}
}

// settled takes an answer in; false: the message has to be sent again.
func (c *callers) settled(m message, got harness.Answer) bool {
	switch got.Status {
	case http.StatusAccepted, http.StatusOK:
	case http.StatusServiceUnavailable:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.retries++
		return false
	default:
		c.faultf("%s was answered %s", m.Reference, got)
		return true
	}
	var r resource
	if err := json.Unmarshal(got.Body, &r); err != nil || r.ID == "" {
		c.faultf("%s was answered %s (%v)", m.Reference, got, err)
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.taken[m.Reference]; known != "" && known != r.ID {
		c.faults = append(c.faults, fmt.Sprintf("%s was taken twice, as %s and %s", m.Reference, known, r.ID))
	}
	c.taken[m.Reference] = r.ID
	return true
}

func (c *callers) faultf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}
