// Package gather lets questions to a server that come at the same time share a
// round trip: while one group is on its way, the next one gathers. Nobody waits
// for company, and the busier it is, the larger the groups become.
package gather

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrLeft says that the caller's context ended first. The question may still be
// on its way.
var ErrLeft = errors.New("answer not waited for")

const (
	// Max is how many questions one round trip takes.
	Max = 256
	// roundTrip bounds one round trip for many callers; each of them waits no
	// longer than its own context.
	roundTrip = 1500 * time.Millisecond
)

// Group gathers questions of type Q and brings answers of type A. It is safe
// for concurrent use.
type Group[Q, A any] struct {
	send Send[Q, A]

	mu      sync.Mutex
	waiting []asked[Q, A]
	running bool
	idle    sync.WaitGroup // until nobody waits
}

// Send asks for some, at most Max, before ctx ends, and answers each, in the
// same order.
type Send[Q, A any] func(ctx context.Context, some []Q) []Answer[A]

// Answer is what became of one question.
type Answer[A any] struct {
	Value A
	Err   error
}

type asked[Q, A any] struct {
	question Q
	then     func(Answer[A])
}

// New makes a group that asks by send.
func New[Q, A any](send Send[Q, A]) *Group[Q, A] { return &Group[Q, A]{send: send} }

// Ask waits for the answer to one question. When ctx ends first, the error wraps
// ErrLeft and that of ctx.
func (g *Group[Q, A]) Ask(ctx context.Context, question Q) (A, error) {
	done := make(chan Answer[A], 1) // buffered: the sender never waits for a caller
	g.Tell(question, func(got Answer[A]) { done <- got })
	select {
	case got := <-done:
		return got.Value, got.Err
	case <-ctx.Done():
		var none A
		return none, fmt.Errorf("%w: %w", ErrLeft, ctx.Err())
	}
}

// Tell hands a question in and does not wait: then is called with the answer. It
// holds up the questions of others and must be quick.
func (g *Group[Q, A]) Tell(question Q, then func(Answer[A])) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, asked[Q, A]{question: question, then: then})
	if !g.running {
		g.running = true
		g.idle.Go(g.run)
	}
}

// Wait returns when all that was asked has been answered. Nobody may ask anything
// more meanwhile.
func (g *Group[Q, A]) Wait() { g.idle.Wait() }

// run sends until nobody waits.
func (g *Group[Q, A]) run() {
	for some := g.next(); len(some) > 0; some = g.next() {
		g.exchange(some)
	}
}

func (g *Group[Q, A]) exchange(some []asked[Q, A]) {
	ctx, cancel := context.WithTimeout(context.Background(), roundTrip)
	defer cancel()
	questions := make([]Q, len(some))
	for i, one := range some {
		questions[i] = one.question
	}
	for i, answer := range g.send(ctx, questions) {
		some[i].then(answer)
	}
}

func (g *Group[Q, A]) next() []asked[Q, A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), Max)
	some := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	if n == 0 {
		g.running, g.waiting = false, nil
	}
	return some
}

// Failed answers n questions with one error.
func Failed[A any](n int, err error) []Answer[A] {
	answers := make([]Answer[A], n)
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}
