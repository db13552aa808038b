package httpapi

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// The memory of all requests in flight, in bytes. A body that is being read holds
// up nothing but other bodies, however slowly it comes.
const (
	bodiesBudget = 64 << 20  // large bodies that are being read or were
	workBudget   = 112 << 20 // small bodies, chunks of streams, and what is made of all
	// budgetPatience is how long a request waits for memory before it is refused.
	budgetPatience = 20 * time.Second
)

// budget bounds the memory of requests in flight. Memory is granted in the order
// it is asked for.
type budget struct {
	all   *semaphore.Weighted
	bytes int64

	mu     sync.Mutex
	shares map[string]*semaphore.Weighted // by tenant; "" has the requests without a key
}

func newBudget(size int64) *budget {
	return &budget{all: semaphore.NewWeighted(size), bytes: size, shares: make(map[string]*semaphore.Weighted)}
}

// share is the half of the budget that a tenant may use. Tenants have keys, so
// there are few of them.
func (b *budget) share(tenant string) *semaphore.Weighted {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shares[tenant] == nil {
		b.shares[tenant] = semaphore.NewWeighted(b.bytes / 2)
	}
	return b.shares[tenant]
}

// grant is the memory that a request holds. It belongs to one goroutine at a time.
type grant struct {
	budget *budget
	share  *semaphore.Weighted
	held   int64
}

// grant begins with no memory.
func (b *budget) grant(tenant string) grant { return grant{budget: b, share: b.share(tenant)} }

// errBusy says that the budget had no room in time.
func errBusy() error {
	return newProblem(codeBackpressure, "The service is busy with other requests; this one was not begun.")
}

// grow waits for n bytes more. A request that holds much must not wait for more of
// the same budget: two of them would wait for each other.
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
	g.held += n
	return nil
}

// tryGrow takes n bytes more if they are there.
func (g *grant) tryGrow(n int64) bool {
	if !g.share.TryAcquire(n) {
		return false
	}
	if !g.budget.all.TryAcquire(n) {
		g.share.Release(n)
		return false
	}
	g.held += n
	return true
}

// release gives all back. It may be called again, and without a grant.
func (g *grant) release() {
	if g.budget == nil {
		return
	}
	g.budget.all.Release(g.held)
	g.share.Release(g.held)
	g.held = 0
}

// bodyCost is the memory that a body of n bytes takes: the body, its texts, and
// what is made around them, which short items multiply and the number of items
// of a batch bounds.
func bodyCost(n int64) int64 {
	const around, aroundMax = 7, 20 << 20
	return 2*n + min(around*n, aroundMax)
}
