package ledger

import (
	"context"
	"sync"
	"time"
)

// gather lets questions to Redis that come at the same time share one round
// trip: while one group is on its way, the next one gathers.
type gather[Q, A any] struct {
	// send asks for some and answers each.
	send func(ctx context.Context, some []Q) []answered[A]

	mu      sync.Mutex
	waiting []asked[Q, A]
	running bool
}

type asked[Q, A any] struct {
	question Q
	done     chan answered[A] // buffered: the sender never waits for a caller
}

type answered[A any] struct {
	answer A
	err    error
}

const (
	// gatherTimeout bounds one round trip for many callers; each of them waits
	// no longer than its own context.
	gatherTimeout = 1500 * time.Millisecond
	// gatherMax is how many questions one round trip takes.
	gatherMax = 256
)

// ask waits for the answer to one question. When ctx ends first, the question
// may still be on its way.
func (g *gather[Q, A]) ask(ctx context.Context, question Q) (A, error) {
	one := asked[Q, A]{question: question, done: make(chan answered[A], 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, one)
	if !g.running {
		g.running = true
		go g.run()
	}
	g.mu.Unlock()
	select {
	case got := <-one.done:
		return got.answer, got.err
	case <-ctx.Done():
		var none A
		return none, unavailable("wait for Redis", ctx.Err())
	}
}

// run sends until nobody waits.
func (g *gather[Q, A]) run() {
	for {
		some := g.next()
		if len(some) == 0 {
			return
		}
		g.exchange(some)
	}
}

func (g *gather[Q, A]) next() []asked[Q, A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), gatherMax)
	some := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	if n == 0 {
		g.running, g.waiting = false, nil
	}
	return some
}

func (g *gather[Q, A]) exchange(some []asked[Q, A]) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout)
	defer cancel()
	questions := make([]Q, len(some))
	for i, one := range some {
		questions[i] = one.question
	}
	for i, answer := range g.send(ctx, questions) {
		some[i].done <- answer
	}
}

// failed answers n questions with one error.
func failed[A any](n int, err error) []answered[A] {
	answers := make([]answered[A], n)
	for i := range answers {
		answers[i].err = err
	}
	return answers
}
