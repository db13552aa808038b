package httpapi

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// The memory of all requests in flight, in bytes. A body that arrives slowly
// delays only other bodies.
const (
	bodiesBudget = 64 << 20  // large bodies while and after they are read
	workBudget   = 112 << 20 // small bodies, chunks of streams, and the objects parsed from all
	// budgetPatience bounds the wait of a request for memory.
	budgetPatience = 20 * time.Second
)

// budget bounds what requests in flight use: memory, or slots of one each. It is
// granted in the order of requests for it.
type budget struct {
	all   *semaphore.Weighted
	bytes int64

	mu     sync.Mutex
	shares map[string]*semaphore.Weighted // by tenant; "" is for requests without a key
}

func newBudget(size int64) *budget {
	return &budget{all: semaphore.NewWeighted(size), bytes: size, shares: make(map[string]*semaphore.Weighted)}
}

// share is the half of the budget that a tenant may use. Only tenants with a key
// have an entry, so the map stays small.
func (b *budget) share(tenant string) *semaphore.Weighted {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shares[tenant] == nil {
		b.shares[tenant] = semaphore.NewWeighted(b.bytes / 2)
	}
	return b.shares[tenant]
}

// grant is the memory of one request. It belongs to one goroutine at a time.
type grant struct {
	budget   *budget
	share    *semaphore.Weighted
	reserved int64
}

// grant returns a grant of no bytes.
func (b *budget) grant(tenant string) grant { return grant{budget: b, share: b.share(tenant)} }

// errBusy is the refusal of a request for which the budget had no room in time.
func errBusy() error {
	return newProblem(codeBackpressure, "The service is busy with other requests; this one was not started.")
}

// grow waits for n more bytes. A request with a large grant must not wait for
// more of the same budget: two of them would deadlock.
func (g *grant) grow(ctx context.Context, n int64) error {
	if g.tryGrow(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, budgetPatience)
	defer cancel()
	if err := g.share.Acquire(ctx, n); err != nil {
		return errBusy()
	}
	if err := g.budget.all.Acquire(ctx, n); err != nil {
		g.share.Release(n)
		return errBusy()
	}
	g.reserved += n
	return nil
}

// tryGrow adds n bytes if they are available now.
func (g *grant) tryGrow(n int64) bool {
	if !g.share.TryAcquire(n) {
		return false
	}
	if !g.budget.all.TryAcquire(n) {
		g.share.Release(n)
		return false
	}
	g.reserved += n
	return true
}

// shrink returns what is reserved beyond n.
func (g *grant) shrink(n int64) {
	if beyond := g.reserved - n; beyond > 0 {
		g.budget.all.Release(beyond)
		g.share.Release(beyond)
		g.reserved = n
	}
}

// releaseAfter returns all to other tenants now, and to this one after d.
func (g *grant) releaseAfter(d time.Duration) {
	share, n := g.share, g.reserved
	g.budget.all.Release(n)
	g.reserved = 0
	time.AfterFunc(d, func() { share.Release(n) })
}

// release returns the memory. It may be called twice, and on a zero grant.
func (g *grant) release() {
	if g.budget == nil {
		return
	}
	g.budget.all.Release(g.reserved)
	g.share.Release(g.reserved)
	g.reserved = 0
}

// bodyCost is the memory of a request with a body of n bytes: the body, its
// texts, and the objects parsed from it. Short items multiply the latter; the
// limit of items in a batch bounds it.
func bodyCost(n int64) int64 {
	const around, aroundMax = 7, 20 << 20
	return 2*n + min(around*n, aroundMax)
}
