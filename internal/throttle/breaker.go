package throttle

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// DefaultFailures is how many calls in a row get no answer before nobody
	// calls. It is far more than hang or break while Sinch works, so that a few
	// bad calls never hold others up.
	DefaultFailures = 100
	// DefaultOpenFor is how long nobody calls then, up to the next probe.
	DefaultOpenFor = 5 * time.Second
)

// BreakerOptions configure a Breaker. Zero values mean the defaults.
type BreakerOptions struct {
	// Failures is how many calls in a row have to fail.
	Failures uint32
	// OpenFor is how long nobody calls before a probe.
	OpenFor time.Duration
	// Lease is how long a probe has: more than a task may take (TASK_TIMEOUT).
	Lease time.Duration
	// MaxHold is how long Enter holds a caller at most.
	MaxHold time.Duration
	// Changed is told when calls end, and when they go on. It must not call the
	// Breaker.
	Changed func(open bool)
}

func (o BreakerOptions) withDefaults() BreakerOptions {
	if o.Failures == 0 {
		o.Failures = DefaultFailures
	}
	orDefault(&o.OpenFor, DefaultOpenFor)
	orDefault(&o.Lease, DefaultLease)
	orDefault(&o.MaxHold, DefaultMaxHold)
	if o.Changed == nil {
		o.Changed = func(bool) {}
	}
	return o
}

// Breaker holds the calls of this process back while Sinch does not answer. It
// is safe for concurrent use.
//
// When Failures calls in a row got no answer it opens, and nobody calls for
// OpenFor. Then one call goes ahead as the probe: answered, whatever the answer,
// it closes the Breaker; without an answer, or without a report for Lease, the
// Breaker opens again. What calls that began before it opened come to say is not
// listened to.
type Breaker struct {
	opts    BreakerOptions
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]
	// opened is when the latest opening ends. Each has a pointer of its own, so
	// that a Leave knows whether there was another one since.
	opened atomic.Pointer[time.Time]
	probe  atomic.Pointer[probe]
}

// probe is the latest call that went ahead.
type probe struct {
	leave Leave
	end   time.Time // of its lease
}

// Leave is the permission to make one call; exactly one of Answered, Failed and
// Nothing tells what became of it.
type Leave struct {
	// Probe says that Sinch is being tried out with this call.
	Probe bool

	done   func(error)
	opened *time.Time // the latest opening before it
}

// What the circuit is told of a call without an answer.
var (
	errFailed  = errors.New("no answer")
	errNothing = errors.New("not begun")
)

// NewBreaker returns a closed Breaker.
func NewBreaker(opts BreakerOptions) *Breaker {
	b := &Breaker{opts: opts.withDefaults()}
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   1, // probes at a time
		Timeout:       b.opts.OpenFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= b.opts.Failures },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNothing) },
		OnStateChange: b.moved,
	})
	return b
}

// moved is called within the circuit's lock.
func (b *Breaker) moved(_ string, from, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		end := time.Now().Add(b.opts.OpenFor)
		b.opened.Store(&end)
		if from == gobreaker.StateClosed {
			b.opts.Changed(true)
		}
	case gobreaker.StateClosed:
		b.opts.Changed(false)
	case gobreaker.StateHalfOpen: // a probe may go
	}
}

// Enter lets a call through, or returns a *ClosedError with the time to come
// back, or ctx's error, wrapped. As Gate.Enter does, it holds a caller for
// MaxHold at most to see whether it may go on after all.
func (b *Breaker) Enter(ctx context.Context) (Leave, error) {
	leave, wait := b.ask()
	if wait == 0 {
		return leave, nil
	}
	if err := pass(ctx, min(wait, b.opts.MaxHold)); err != nil {
		return Leave{}, err
	}
	if leave, wait = b.ask(); wait > 0 {
		return Leave{}, closedFor(wait)
	}
	return leave, nil
}

// ask returns a Leave, or above 0 how long there will be none.
func (b *Breaker) ask() (Leave, time.Duration) {
	leave := Leave{opened: b.opened.Load()} // first: an opening in between takes the Leave back
	done, err := b.circuit.Allow()
	if err != nil {
		b.replaceProbe()
		return Leave{}, b.rest()
	}
	leave.done = done
	if b.circuit.State() == gobreaker.StateHalfOpen {
		leave.Probe = true
		b.probe.Store(&probe{leave, time.Now().Add(b.opts.Lease)})
	}
	return leave, 0
}

// replaceProbe gives a probe up that nothing was heard of. One that is over
// anyway means nothing to the circuit.
func (b *Breaker) replaceProbe() {
	if p := b.probe.Load(); p != nil && time.Now().After(p.end) {
		p.leave.Failed()
	}
}

// rest is how long nobody calls for sure. A probe may take longer.
func (b *Breaker) rest() time.Duration {
	end := b.opened.Load()
	if end == nil {
		return minRetryIn
	}
	return max(time.Until(*end), minRetryIn)
}

// Confirm says whether a Leave still holds after something else, such as the
// pace, took its time. It costs nothing, and fails as Enter does.
func (b *Breaker) Confirm(l Leave) error {
	if b.opened.Load() != l.opened {
		return closedFor(b.rest())
	}
	return nil
}

// Answered reports that Sinch said something, whatever it was.
func (l Leave) Answered() { l.done(nil) }

// Failed reports that Sinch could not be reached, or did not answer.
func (l Leave) Failed() { l.done(errFailed) }

// Nothing reports that the call was not begun. Another one may be the probe.
func (l Leave) Nothing() { l.done(errNothing) }

func closedFor(wait time.Duration) error { return &ClosedError{RetryIn: jittered(wait)} }
