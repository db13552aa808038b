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

// callers send messages as the API expects it: a message that was not accepted is
// sent again with the same reference.
type callers struct {
	stack *stack
	pace  *rate.Limiter
	count atomic.Int64
	wg    sync.WaitGroup

	mu       sync.Mutex
	accepted map[string]string // message id by reference
	faults   []string          // violations of the API's contract
	retries  int
}

// callerCount is the number of concurrent requests.
const callerCount = 64

// newCallers starts callers that send perSecond messages until open ends, and then
// retry their open messages until ctx ends.
func newCallers(ctx, open context.Context, s *stack, perSecond float64, seed uint64) *callers {
	c := &callers{stack: s, pace: rate.NewLimiter(rate.Limit(perSecond), 1), accepted: map[string]string{}}
	for n := range callerCount {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		c.wg.Go(func() {
			for c.pace.Wait(open) == nil {
				c.deliver(ctx, rng)
			}
		})
	}
	return c
}

func (c *callers) messages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accepted)
}

// finish waits until every caller has ended, and returns the accepted messages.
func (c *callers) finish(t *testing.T) map[string]string {
	t.Helper()
	c.wg.Wait()
	for _, fault := range c.faults {
		t.Error(fault)
	}
	return c.accepted
}

// doubleEvery: one message of this many is sent twice at once.
const doubleEvery = 20

// deliver sends one message, sometimes twice at once.
func (c *callers) deliver(ctx context.Context, rng *rand.Rand) {
	lanes := []string{"high", "normal", "normal", "bulk"}
	reference := fmt.Sprintf("order-%d", c.count.Add(1))
	m := newMessage(reference, lanes[rng.IntN(len(lanes))])
	if rng.IntN(doubleEvery) > 0 {
		c.sendUntilAccepted(ctx, m, rng.Uint64())
		return
	}
	var pair sync.WaitGroup
	first, second := rng.Uint64(), rng.Uint64()
	pair.Go(func() { c.sendUntilAccepted(ctx, m, first) })
	pair.Go(func() { c.sendUntilAccepted(ctx, m, second) })
	pair.Wait()
}

// sendUntilAccepted repeats a message until an api has accepted it.
func (c *callers) sendUntilAccepted(ctx context.Context, m message, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for {
		api := c.stack.apis[rng.IntN(len(c.stack.apis))]
		got, err := c.stack.post(ctx, api, m)
		if err == nil && c.handled(m, got) {
			return
		}
		const least, most = 50, 300
		select {
		case <-time.After(time.Duration(least+rng.IntN(most)) * time.Millisecond):
		case <-ctx.Done():
			c.faultf("%s was never accepted: %s %v", m.Reference, got, err)
			return
		}
	}
}

// handled records an answer; false: the message has to be sent again.
func (c *callers) handled(m message, got harness.Answer) bool {
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
	if known := c.accepted[m.Reference]; known != "" && known != r.ID {
		c.faults = append(c.faults, fmt.Sprintf("%s was accepted twice, as %s and %s", m.Reference, known, r.ID))
	}
	c.accepted[m.Reference] = r.ID
	return true
}

func (c *callers) faultf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}
