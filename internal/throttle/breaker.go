package throttle

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// DefaultFailures is the number of consecutive requests without a response that
	// opens the breaker. Far fewer hang or break while Sinch works, so that a few
	// failures never delay other messages.
	DefaultFailures = 100
	// DefaultOpenFor is the time without requests before a probe.
	DefaultOpenFor = 5 * time.Second
)

// BreakerOptions configure a Breaker. Zero values mean the defaults.
type BreakerOptions struct {
	// Failures is the number of consecutive failures that opens the breaker.
	Failures uint32
	// OpenFor is the time without requests before a probe.
	OpenFor time.Duration
	// Lease bounds a probe: more than a task may take (TASK_TIMEOUT).
	Lease time.Duration
	// MaxWait bounds the wait of Acquire.
	MaxWait time.Duration
	// OnChange is called when the breaker opens and when it closes. It must not
	// call the Breaker.
	OnChange func(open bool)
	// OnPause is called as OnChange is, and also when a probe has failed, with the
	// time of the next probe; zero: the breaker is closed.
	OnPause func(probeAt time.Time)
}

func (o BreakerOptions) withDefaults() BreakerOptions {
	o.Failures = cmp.Or(o.Failures, DefaultFailures)
	o.OpenFor = cmp.Or(o.OpenFor, DefaultOpenFor)
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.MaxWait = cmp.Or(o.MaxWait, DefaultMaxWait)
	if o.OnChange == nil {
		o.OnChange = func(bool) {}
	}
	if o.OnPause == nil {
		o.OnPause = func(time.Time) {}
	}
	return o
}

// Breaker stops the requests of this process while Sinch does not respond. It is
// safe for concurrent use.
//
// After Failures consecutive requests without a response it opens, and no request
// begins for OpenFor. Then one request is let through as the probe: any response
// closes the Breaker; without a response, or without a report within Lease, it
// opens again. Reports of requests that began before it opened are ignored.
type Breaker struct {
	opts    BreakerOptions
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]
	// opened is the end of the latest opening. Each opening has a pointer of its
	// own, so that a permit shows whether the breaker has opened since.
	opened atomic.Pointer[time.Time]
	probe  atomic.Pointer[probe]
}

// probe is the latest request let through.
type probe struct {
	permit BreakerPermit
	end    time.Time // of its lease
}

// BreakerPermit allows one call; exactly one of Answered, Failed and Release
// ends it.
type BreakerPermit struct {
	// Probe is true when this request probes whether Sinch responds again.
	Probe bool

	done   func(error)
	opened *time.Time // the latest opening before it
}

// The reports to the circuit of a request without a response.
var (
	errFailed   = errors.New("no answer")
	errReleased = errors.New("not begun")
)

// NewBreaker returns a closed Breaker.
func NewBreaker(opts BreakerOptions) *Breaker {
	b := &Breaker{opts: opts.withDefaults()}
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   1, // probes at a time
		Timeout:       b.opts.OpenFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= b.opts.Failures },
		IsExcluded:    func(err error) bool { return errors.Is(err, errReleased) },
		OnStateChange: b.moved,
	})
	return b
}

// moved is called while the circuit's lock is locked.
func (b *Breaker) moved(_ string, from, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		end := time.Now().Add(b.opts.OpenFor)
		b.opened.Store(&end)
		b.opts.OnPause(end)
		if from == gobreaker.StateClosed {
			b.opts.OnChange(true)
		}
	case gobreaker.StateClosed:
		b.opts.OnChange(false)
		b.opts.OnPause(time.Time{})
	case gobreaker.StateHalfOpen: // a probe may go
	}
}

// Acquire returns a permit, a *DeniedError with CauseUnreachable, or ctx's error,
// wrapped. Like Gate.Acquire it waits up to MaxWait for the breaker to close.
func (b *Breaker) Acquire(ctx context.Context) (BreakerPermit, error) {
	permit, wait := b.try()
	if wait == 0 {
		return permit, nil
	}
	if err := sleep(ctx, min(wait, b.opts.MaxWait)); err != nil {
		return BreakerPermit{}, err
	}
	if permit, wait = b.try(); wait > 0 {
		return BreakerPermit{}, b.denied(wait)
	}
	return permit, nil
}

// try returns a permit, or, above 0, the time until the next one.
func (b *Breaker) try() (BreakerPermit, time.Duration) {
	permit := BreakerPermit{opened: b.opened.Load()} // first: an opening in between ends the permit
	done, err := b.circuit.Allow()
	if err != nil {
		b.replaceProbe()
		return BreakerPermit{}, b.openFor()
	}
	permit.done = done
	if b.circuit.State() == gobreaker.StateHalfOpen {
		permit.Probe = true
		b.probe.Store(&probe{permit, time.Now().Add(b.opts.Lease)})
	}
	return permit, 0
}

// replaceProbe ends a probe that did not report within its lease. The circuit
// ignores one that has ended already.
func (b *Breaker) replaceProbe() {
	if p := b.probe.Load(); p != nil && time.Now().After(p.end) {
		p.permit.Failed()
	}
}

// openFor is the least time until the next request. A probe may take longer.
func (b *Breaker) openFor() time.Duration {
	end := b.opened.Load()
	if end == nil {
		return minRetryIn
	}
	return max(time.Until(*end), minRetryIn)
}

// Confirm reports whether a permit is still valid after a wait, such as that for
// the pace. It needs no round trip, and its errors are those of Acquire.
func (b *Breaker) Confirm(p BreakerPermit) error {
	if b.opened.Load() != p.opened {
		return b.denied(b.openFor())
	}
	return nil
}

// Answered reports that Sinch responded, with whatever result.
func (p BreakerPermit) Answered() { p.done(nil) }

// Failed reports that Sinch could not be reached, or did not respond.
func (p BreakerPermit) Failed() { p.done(errFailed) }

// Release reports that the request was not made. Another one becomes the probe.
func (p BreakerPermit) Release() { p.done(errReleased) }

func (b *Breaker) denied(wait time.Duration) error {
	denied := &DeniedError{Cause: CauseUnreachable, RetryIn: jittered(wait)}
	if end := b.opened.Load(); end != nil && time.Now().Before(*end) {
		denied.ProbeAt = *end
	}
	return denied
}
