// Package batcher sends concurrent requests in one round trip (group commit):
// while one batch is in flight the next one fills. A request never waits for
// others to join it, and batches grow with the load.
package batcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrAbandoned is returned when the caller's context ended before the result
// came. The request may still be carried out.
var ErrAbandoned = errors.New("result not awaited")

const (
	// MaxBatch is the largest number of requests in one round trip.
	MaxBatch = 256
	// roundTrip bounds one round trip for many callers; each caller waits no
	// longer than its own context.
	roundTrip = 1500 * time.Millisecond
)

// Batcher sends requests of type Q in batches and returns a result of type A for
// each. It is safe for concurrent use.
type Batcher[Q, A any] struct {
	send Send[Q, A]

	mu      sync.Mutex
	pending []pending[Q, A]
	running bool
	idle    sync.WaitGroup // done once nothing is pending
}

// Send carries out at most MaxBatch requests before ctx ends and returns their
// results in the same order.
type Send[Q, A any] func(ctx context.Context, requests []Q) []Result[A]

// Result is the outcome of one request.
type Result[A any] struct {
	Value A
	Err   error
}

type pending[Q, A any] struct {
	request Q
	done    func(Result[A])
}

// New returns a Batcher that calls send.
func New[Q, A any](send Send[Q, A]) *Batcher[Q, A] { return &Batcher[Q, A]{send: send} }

// Do waits for the result of one request. When ctx ends first, the error wraps
// ErrAbandoned and that of ctx.
func (b *Batcher[Q, A]) Do(ctx context.Context, request Q) (A, error) {
	result := make(chan Result[A], 1) // buffered: the sender never waits for a caller
	b.DoAsync(request, func(r Result[A]) { result <- r })
	select {
	case r := <-result:
		return r.Value, r.Err
	case <-ctx.Done():
		var none A
		return none, fmt.Errorf("%w: %w", ErrAbandoned, ctx.Err())
	}
}

// DoAsync adds a request and returns at once; done is called with its result. The
// next batch starts after done has returned, so done must be quick.
func (b *Batcher[Q, A]) DoAsync(request Q, done func(Result[A])) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, pending[Q, A]{request: request, done: done})
	if !b.running {
		b.running = true
		b.idle.Go(b.run)
	}
}

// Wait returns once every request has its result. No request may be added
// meanwhile.
func (b *Batcher[Q, A]) Wait() { b.idle.Wait() }

// run sends until nothing is pending.
func (b *Batcher[Q, A]) run() {
	for batch := b.next(); len(batch) > 0; batch = b.next() {
		b.exchange(batch)
	}
}

func (b *Batcher[Q, A]) exchange(batch []pending[Q, A]) {
	ctx, cancel := context.WithTimeout(context.Background(), roundTrip)
	defer cancel()
	requests := make([]Q, len(batch))
	for i, p := range batch {
		requests[i] = p.request
	}
	for i, result := range b.send(ctx, requests) {
		batch[i].done(result)
	}
}

func (b *Batcher[Q, A]) next() []pending[Q, A] {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.pending), MaxBatch)
	batch := b.pending[:n:n]
	b.pending = b.pending[n:]
	if n == 0 {
		b.running, b.pending = false, nil
	}
	return batch
}

// Failed returns n results with one error.
func Failed[A any](n int, err error) []Result[A] {
	results := make([]Result[A], n)
	for i := range results {
		results[i].Err = err
	}
	return results
}
