package throttle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Lane is the priority of a waiter.
type Lane int

// The lanes. High goes before all; of Normal and Bulk neither starves.
const (
	High Lane = iota
	Normal
	Bulk

	laneCount
)

const (
	// normalPerBulk is how many normal waiters go before one bulk waiter when
	// both are waiting.
	normalPerBulk = 3

	minRetryIn  = time.Second // asynq keeps whole seconds
	maxRetryIn  = 30 * time.Second
	retryJitter = 0.2
)

// PacerOptions configure a Pacer. Zero values mean the defaults.
type PacerOptions struct {
	// Rate is how many calls may begin each second over all processes that
	// share the Redis and the Prefix; 0 switches the pace off. At most a tenth
	// of a second's worth, and at least one, begins at once.
	Rate float64
	// MaxHold is how long Wait holds a caller at most.
	MaxHold time.Duration
	// Prefix begins the keys.
	Prefix string
}

// Pacer hands out permission to begin a call. It is safe for concurrent use.
//
// In a process one goroutine asks Redis for everybody, and only while somebody
// waits: two hundred waiting slots cost as much as one. Tokens go to waiters
// at once or are lost, none are kept for later.
type Pacer struct {
	source  source
	rate    float64
	maxHold time.Duration
	strain  strain

	wake chan struct{} // ends the dispenser's sleep early

	mu         sync.Mutex
	lanes      [laneCount][]*waiter
	dispensing bool
	streak     int // normal waiters served since the last bulk one
}

// source is where tokens come from.
type source interface {
	// free says that there is neither a pace nor a hold: nobody has to ask.
	free() bool
	// take asks for up to n tokens, for the high lane only if high. It returns
	// how many there were, and after what time asking again makes sense.
	take(ctx context.Context, n int, high bool) (granted int, wait time.Duration, err error)
	// yield tells the other processes that no high waiter is left here. It
	// does nothing when they were not told that there is one.
	yield(ctx context.Context) error
	// slow makes all processes slower, and lets nobody begin before hold.
	slow(ctx context.Context, hold time.Duration) error
}

type waiter struct {
	lane Lane
	done chan error // buffered: the dispenser never waits for a waiter
}

// NewPacer returns a Pacer on rdb.
func NewPacer(rdb redis.UniversalClient, opts PacerOptions) *Pacer {
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	return newPacer(newRedisSource(rdb, opts.Prefix, opts.Rate), opts)
}

func newPacer(src source, opts PacerOptions) *Pacer {
	if opts.MaxHold <= 0 {
		opts.MaxHold = DefaultMaxHold
	}
	return &Pacer{source: src, rate: opts.Rate, maxHold: opts.MaxHold, wake: make(chan struct{}, 1)}
}

// Wait returns nil when a call may begin now. Otherwise the error is a
// *WaitError when the caller's turn did not come within MaxHold, an
// *UnavailableError when Redis failed, or wraps ctx's.
func (p *Pacer) Wait(ctx context.Context, lane Lane) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for the pace: %w", err)
	}
	if p.source.free() {
		return nil
	}
	w := &waiter{lane: lane, done: make(chan error, 1)}
	p.join(w)
	timer := time.NewTimer(p.maxHold)
	defer timer.Stop()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if _, left := p.leave(w); left {
			return fmt.Errorf("wait for the pace: %w", ctx.Err())
		}
	case <-timer.C:
		if ahead, left := p.leave(w); left {
			return &WaitError{RetryIn: p.retryIn(ahead)}
		}
	}
	return <-w.done // decided in the same moment
}

// join queues a waiter and sees to it that the dispenser runs.
func (p *Pacer) join(w *waiter) {
	lane := w.lane
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lanes[lane] = append(p.lanes[lane], w)
	if !p.dispensing {
		p.dispensing = true
		go p.dispense()
	} else if lane == High && len(p.lanes[High]) == 1 {
		p.wakeUp() // the other processes have to be told
	}
}

// leave takes a waiter out of its lane; left is false when its turn has come
// already. ahead is how many are waiting with the same right or a better one.
func (p *Pacer) leave(w *waiter) (ahead int, left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.lanes[w.lane], w)
	if i < 0 {
		return 0, false
	}
	p.lanes[w.lane] = slices.Delete(p.lanes[w.lane], i, i+1)
	for lane := High; lane <= w.lane; lane++ {
		ahead += len(p.lanes[lane])
	}
	if p.waiting() == 0 {
		p.wakeUp()
	}
	return ahead, true
}

func (p *Pacer) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake or about to be
	}
}

// waiting counts all waiters. The caller holds mu.
func (p *Pacer) waiting() int {
	n := 0
	for _, lane := range p.lanes {
		n += len(lane)
	}
	return n
}

// retryIn spreads those who are sent away over the time that those before them
// need.
func (p *Pacer) retryIn(ahead int) time.Duration {
	in := minRetryIn
	if p.rate > 0 {
		in = time.Duration(float64(ahead+1) / p.rate * float64(time.Second))
	}
	return jittered(min(max(in, minRetryIn), maxRetryIn))
}

// jittered spreads those who are sent away at the same moment.
func jittered(in time.Duration) time.Duration {
	//nolint:gosec // spreading load needs no secret randomness
	return in + time.Duration(rand.Float64()*retryJitter*float64(in))
}

// dispense serves the waiters until there are none. Its context is nobody's:
// the waiters it asks for have each their own.
func (p *Pacer) dispense() {
	for {
		n, high := p.demand()
		if !high {
			// Lost, this costs the others a pause of milliseconds: the marker
			// runs out by itself.
			_ = bounded(p.source.yield)
		}
		if n == 0 && p.retire() {
			return
		}
		if n == 0 {
			continue
		}
		var (
			granted int
			wait    time.Duration
		)
		err := bounded(func(ctx context.Context) (err error) {
			granted, wait, err = p.source.take(ctx, n, high)
			return err
		})
		if err != nil {
			p.refuseAll(&UnavailableError{Err: err})
			continue
		}
		p.grant(granted)
		p.sleep(wait)
	}
}

func bounded(ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	return ask(ctx)
}

// demand is for how many to ask: for the high lane alone while it has waiters.
func (p *Pacer) demand() (n int, high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.lanes[High]); n > 0 {
		return n, true
	}
	return p.waiting(), false
}

// retire ends the dispenser unless somebody came in the meantime.
func (p *Pacer) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispensing = p.waiting() > 0
	return !p.dispensing
}

func (p *Pacer) refuseAll(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for lane, waiters := range p.lanes {
		for _, w := range waiters {
			w.done <- err
		}
		p.lanes[lane] = nil
	}
}

// grant gives n tokens to those whose turn it is. Tokens of waiters who left
// while Redis was asked are lost, which only makes the pace slower.
func (p *Pacer) grant(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; n > 0 && p.waiting() > 0; n-- {
		lane := p.next()
		w := p.lanes[lane][0]
		p.lanes[lane] = p.lanes[lane][1:]
		w.done <- nil
	}
}

// next chooses the lane to serve; one of them has a waiter.
func (p *Pacer) next() Lane {
	normal, bulk := len(p.lanes[Normal]) > 0, len(p.lanes[Bulk]) > 0
	switch {
	case len(p.lanes[High]) > 0:
		return High
	case normal && (!bulk || p.streak < normalPerBulk):
		p.streak++
		return Normal
	default:
		p.streak = 0
		return Bulk
	}
}

func (p *Pacer) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.wake:
	}
}
