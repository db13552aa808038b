package throttle

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

const (
	// normalPerBulk is the number of normal waiters served before one bulk waiter
	// while both lanes wait.
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
	// MaxWait is how long Wait waits at most.
	MaxWait time.Duration
	// Prefix begins the keys.
	Prefix string
	// Senders have limits of their own, by number.
	Senders map[string]SenderLimit
	// Now is Redis' time, by which a sender's day ends; nil: the system's.
	Now func() time.Time
}

// Pacer grants tokens, one for each recipient of a request. It is safe for
// concurrent use.
//
// In a process one goroutine queries Redis for all waiters, and only while there
// are some: two hundred waiters cost as much as one. Tokens go to waiters at once
// or are lost; none are kept for later.
type Pacer struct {
	source  source
	redis   *redisSource // the source itself
	senders *senders
	maxWait time.Duration
	strain  strain

	wake chan struct{} // ends the dispenser's sleep early

	mu         sync.Mutex
	lanes      map[message.Lane][]*waiter
	dispensing bool
	paced      bool // a message of a batch with a pace has waited since the dispenser began
	streak     int  // normal waiters served since the last bulk one
}

// source supplies tokens.
type source interface {
	// free reports that there is neither a pace nor a backoff: no token is
	// needed.
	free() bool
	// perSecond is the pace in force; 0: there is none.
	perSecond() float64
	// take requests up to n tokens, for the high lane only if high. It returns the
	// number granted, and the time after which another request makes sense.
	take(ctx context.Context, n int, high bool) (granted int, wait time.Duration, err error)
	// yield removes the marker that shows the other processes a high waiter
	// here. It does nothing when there is none.
	yield(ctx context.Context) error
	// slow makes all processes slower, and lets no call begin before backoff.
	slow(ctx context.Context, backoff time.Duration, sinchCode string) error
}

type waiter struct {
	lane  message.Lane
	claim claim
	done  chan error // buffered: the dispenser never waits for a waiter
}

// NewPacer returns a Pacer on rdb.
func NewPacer(rdb redis.UniversalClient, opts PacerOptions) *Pacer {
	src := newRedisSource(rdb, cmp.Or(opts.Prefix, DefaultPrefix), opts.Rate)
	p := newPacer(src, opts)
	p.redis = src
	return p
}

func newPacer(src source, opts PacerOptions) *Pacer {
	return &Pacer{
		source: src, senders: newSenders(opts), maxWait: cmp.Or(opts.MaxWait, DefaultMaxWait),
		wake: make(chan struct{}, 1), lanes: make(map[message.Lane][]*waiter),
	}
}

// Wait returns nil when a call may begin now. Otherwise the error is a
// *DeniedError, with CausePace when no token came within MaxWait or with
// CauseUnavailable when Redis failed, or wraps ctx's.
func (p *Pacer) Wait(ctx context.Context, lane message.Lane) error { return p.wait(ctx, lane, claim{}) }

// wait is Wait for a claim. Where its sender or its batch has no token the error is a
// *DeniedError with CauseSender, CauseDaily or CauseBatch.
func (p *Pacer) wait(ctx context.Context, lane message.Lane, c claim) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for the pace: %w", err)
	}
	if !c.limited() && p.source.free() {
		return nil
	}
	w := &waiter{lane: lane, claim: c, done: make(chan error, 1)}
	p.join(w)
	timer := time.NewTimer(p.maxWait)
	defer timer.Stop()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if _, left := p.remove(w); left {
			return fmt.Errorf("wait for the pace: %w", ctx.Err())
		}
	case <-timer.C:
		if ahead, left := p.remove(w); left {
			return &DeniedError{Cause: CausePace, RetryIn: p.retryIn(ahead)}
		}
	}
	return <-w.done // decided in the same moment
}

// join queues a waiter and starts the dispenser if it does not run.
func (p *Pacer) join(w *waiter) {
	lane := w.lane
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lanes[lane] = append(p.lanes[lane], w)
	p.paced = p.paced || w.claim.batch != ""
	if !p.dispensing {
		p.dispensing = true
		go p.dispense()
	} else if lane == message.High && len(p.lanes[message.High]) == 1 {
		p.wakeUp() // the other processes have to see the marker
	}
}

// remove takes a waiter out of its lane; left is false when it has been served
// already. ahead is how many wait in its lane and those before it.
func (p *Pacer) remove(w *waiter) (ahead int, left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.lanes[w.lane], w)
	if i < 0 {
		return 0, false
	}
	p.lanes[w.lane] = slices.Delete(p.lanes[w.lane], i, i+1)
	for _, lane := range message.Lanes() {
		ahead += len(p.lanes[lane])
		if lane == w.lane {
			break
		}
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

// retryIn spreads denied waiters over the time that those ahead of them need.
func (p *Pacer) retryIn(ahead int) time.Duration {
	in := minRetryIn
	if rate := p.source.perSecond(); rate > 0 {
		in = time.Duration(float64(ahead+1) / rate * float64(time.Second))
	}
	return jittered(min(max(in, minRetryIn), maxRetryIn))
}

// jittered spreads waiters that are denied at the same moment.
func jittered(in time.Duration) time.Duration {
	//nolint:gosec // spreading load needs no secret randomness
	return in + time.Duration(rand.Float64()*retryJitter*float64(in))
}

// dispense serves the waiters until there are none. It has no context of its
// caller, since it serves many waiters, each with its own.
func (p *Pacer) dispense() {
	for {
		if p.byRuns() {
			if p.dispenseRuns() {
				return
			}
			continue
		}
		n, high := p.demand()
		if !high {
			_ = bounded(p.source.yield) // a marker that stays expires within markerTTL
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
			p.refuseAll(unavailable(context.Background(), err))
			continue
		}
		p.grant(granted)
		p.sleep(wait)
	}
}

// dispenseRuns is a round of the dispenser where waiters may have limits. It reports
// whether the dispenser has retired.
func (p *Pacer) dispenseRuns() (retired bool) {
	all, n, high := p.runs()
	if !high {
		_ = bounded(p.source.yield) // a marker that stays expires within markerTTL
	}
	if n == 0 {
		return p.retire()
	}
	var (
		answers []runAnswer
		wait    time.Duration
	)
	err := bounded(func(ctx context.Context) (err error) {
		answers, wait, err = p.redis.takeRuns(ctx, p.senders, all, n, high)
		return err
	})
	if err != nil {
		p.refuseAll(unavailable(context.Background(), err))
		return false
	}
	p.serve(all, answers)
	p.sleep(wait)
	return false
}

func bounded(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), takeTimeout)
	defer cancel()
	return do(ctx)
}

// demand is how many tokens to ask for: for the high lane alone while it has
// waiters.
func (p *Pacer) demand() (n int, high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.lanes[message.High]); n > 0 {
		return n, true
	}
	return p.waiting(), false
}

// retire ends the dispenser unless a waiter joined in the meantime.
func (p *Pacer) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispensing = p.waiting() > 0
	p.paced = p.paced && p.dispensing
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

// grant gives n tokens to the next waiters. Tokens of waiters that gave up while
// the request are lost, which only makes the pace slower.
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
func (p *Pacer) next() message.Lane {
	normal, bulk := len(p.lanes[message.Normal]) > 0, len(p.lanes[message.Bulk]) > 0
	switch {
	case len(p.lanes[message.High]) > 0:
		return message.High
	case normal && (!bulk || p.streak < normalPerBulk):
		p.streak++
		return message.Normal
	default:
		p.streak = 0
		return message.Bulk
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
