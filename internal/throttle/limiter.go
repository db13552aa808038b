package throttle

import (
	"cmp"
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/message"
)

// Metrics exports the state of the limits.
type Metrics interface {
	// SetBreaker reports that the breaker of this process opened or closed.
	SetBreaker(open bool)
}

// Options configure a Limiter. Metrics is required; Exempt may be nil; the zero
// values of the rest mean the defaults.
type Options struct {
	Pacer   PacerOptions
	Gate    GateOptions
	Breaker BreakerOptions
	// Exempt reports whether a message never reaches Sinch, so that no limit applies
	// to it.
	Exempt  func(m *message.Message) bool
	Metrics Metrics
	Log     zerolog.Logger
}

// Limiter decides when a call to Sinch may begin: the pace and the pause of the
// account, shared by all processes, and the breaker of this one. It is safe for
// concurrent use.
type Limiter struct {
	pacer   *Pacer
	exempts *Pacer // of messages that never reach Sinch: batches alone have a pace there
	gate    *Gate
	breaker *Breaker
	outages *outages
	exempt  func(m *message.Message) bool
	log     zerolog.Logger
	// down is true after the last query to Redis failed, so that an outage is logged
	// once.
	down atomic.Bool
}

// NewLimiter returns a Limiter on rdb.
func NewLimiter(rdb redis.UniversalClient, opts Options) *Limiter {
	l := &Limiter{
		pacer: NewPacer(rdb, opts.Pacer), exempts: NewPacer(rdb, exempted(opts.Pacer)), gate: NewGate(rdb, opts.Gate),
		outages: newOutages(rdb, cmp.Or(opts.Gate.Prefix, DefaultPrefix)), exempt: opts.Exempt, log: opts.Log,
	}
	if l.exempt == nil {
		l.exempt = func(*message.Message) bool { return false }
	}
	opts.Breaker.OnChange = func(open bool) {
		opts.Metrics.SetBreaker(open)
		if open {
			l.log.Warn().Msg("Sinch does not answer: calls wait, one at a time probes")
		} else {
			l.log.Info().Msg("Sinch answers again: calls go on")
		}
	}
	opts.Breaker.OnPause = l.outages.changed
	l.breaker = NewBreaker(opts.Breaker)
	return l
}

// exempted are the options of a pacer without limits of account and senders.
func exempted(opts PacerOptions) PacerOptions {
	return PacerOptions{MaxWait: opts.MaxWait, Prefix: cmp.Or(opts.Prefix, DefaultPrefix) + "exempt:", Now: opts.Now}
}

// Acquire waits up to MaxWait for the permit to make one request for a message.
// The error is a *DeniedError with the time of the next try, or wraps ctx's.
// Every Permit ends with Report or Release.
//
// The breaker is checked first: it needs no round trip, and while Sinch does not
// respond no token and no probe of the account is spent.
func (l *Limiter) Acquire(ctx context.Context, m *message.Message) (*Permit, error) {
	if l.exempt(m) {
		if claimed := l.exempts.claim(m); claimed.limited() {
			return &Permit{}, l.watched(l.exempts.wait(ctx, message.Normal, claimed))
		}
		return &Permit{}, nil
	}
	breaker, err := l.breaker.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	p := &Permit{limiter: l, breaker: breaker, lane: cmp.Or(m.Content.Priority, message.Normal)}
	// A replay is a new message to the gate: earlier account errors do not count against it.
	claimed := l.pacer.claim(m)
	p.gate, err = l.gate.Acquire(ctx, string(m.ID)+":"+strconv.Itoa(m.Replayed), m.Scope.Tenant)
	if err != nil {
		breaker.Release()
		return nil, l.watched(err)
	}
	if err = l.pacer.wait(ctx, p.lane, claimed); err == nil {
		p.claim = claimed
		err = p.confirm(ctx)
	}
	if err != nil {
		p.Release(ctx)
		return nil, l.watched(err)
	}
	return p, l.watched(nil)
}

// watched returns err, and logs when Redis begins or ceases to fail.
func (l *Limiter) watched(err error) error {
	denied, ok := err.(*DeniedError) //nolint:errorlint // the limits return it as it is
	switch {
	case ok && denied.Cause == CauseUnavailable:
		if l.down.CompareAndSwap(false, true) {
			l.log.Warn().Err(denied.Err).Msg("limiter unavailable: no call begins until Redis answers")
		}
	case err == nil || ok:
		if l.down.Load() && l.down.CompareAndSwap(true, false) {
			l.log.Info().Msg("limiter available again")
		}
	}
	return err
}

// Start removes the pauses of accounts that are no longer configured. A failure
// leaves them until the next start.
func (l *Limiter) Start(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	_ = l.watched(l.gate.RemoveStale(ctx)) // logged
	_ = l.watched(l.outages.removeStale(ctx))
}

// confirmTimeout bounds the last check of a permit that waited for its tokens.
const confirmTimeout = 2 * time.Second

// Permit allows one request to Sinch. The zero Permit has no limit. It is for one
// goroutine.
type Permit struct {
	limiter *Limiter // nil: no limit, or the permit has ended
	breaker BreakerPermit
	gate    GatePermit
	lane    message.Lane
	claim   claim // whose token the permit has
}

// Extend waits, until ctx ends, for the tokens of up to n further recipients, and
// returns the number granted. Its errors are those of Acquire, and release the
// permit. A probe has one recipient.
func (p *Permit) Extend(ctx context.Context, n int) (int, error) {
	if p.limiter == nil {
		return n, nil
	}
	if p.gate.Probe || p.breaker.Probe {
		return 0, nil
	}
	got := p.limiter.pacer.extend(ctx, p.lane, p.claim, n)
	if err := p.confirmed(ctx); err != nil {
		return 0, err
	}
	return got, nil
}

// ExtendTo is Extend for further messages of the sender of a permit. It returns of
// each whether it has a token. Where the sender has a pace, those next in turn
// reserve theirs.
func (p *Permit) ExtendTo(ctx context.Context, further []*message.Message) ([]bool, error) {
	granted := make([]bool, len(further))
	if p.limiter == nil || p.claim.sender == "" || p.gate.Probe || p.breaker.Probe {
		n, err := p.Extend(ctx, len(further))
		for i := range n {
			granted[i] = true
		}
		return granted, err
	}
	copy(granted, p.limiter.pacer.extendEach(ctx, p.lane, p.limiter.pacer.claims(further)))
	return granted, p.confirmed(ctx)
}

// confirmed is confirm after a wait that may have used up ctx. An error releases the
// permit.
func (p *Permit) confirmed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	err := p.confirm(ctx)
	if err != nil {
		l := p.limiter
		p.Release(ctx)
		err = l.watched(err)
	}
	return err
}

// confirm checks the gate and the breaker again after the wait for the pace.
func (p *Permit) confirm(ctx context.Context) error {
	if err := p.limiter.breaker.Confirm(p.breaker); err != nil {
		return err
	}
	return p.limiter.gate.Confirm(ctx, p.gate)
}

// Release ends a permit whose request was not made, also for a caller that gave
// up. After Report it does nothing.
func (p *Permit) Release(ctx context.Context) {
	p.Report(context.WithoutCancel(ctx), message.Outcome{Kind: message.OutcomeNotBegun})
}

// Report ends the permit with the outcome of its request, and returns that
// outcome, made final when the account refuses this message alone. When Redis
// does not accept the report the outcome stays as it is; the cost is another
// probe.
func (p *Permit) Report(ctx context.Context, o message.Outcome) message.Outcome {
	l := p.limiter
	if l == nil {
		return o
	}
	p.limiter = nil
	p.reportBreaker(o)
	var err error
	switch o.Kind {
	case message.OutcomeAccount:
		o, err = l.refused(ctx, p.gate, o)
	case message.OutcomeThrottled:
		err = l.pacer.Throttled(ctx, o.RetryAfter, o.SinchCode)
		if passed := l.passed(ctx, p.gate); err == nil {
			err = passed
		}
	case message.OutcomeAccepted, message.OutcomeRefused, message.OutcomeGone, message.OutcomeNotReady:
		l.pacer.Answered()
		err = l.passed(ctx, p.gate)
	case message.OutcomeNotBegun:
		err = l.gate.Release(ctx, p.gate)
		if released := l.pacer.release(ctx, p.claim); err == nil {
			err = released
		}
	case message.OutcomeNotSent, message.OutcomeUnknown:
		err = l.gate.Release(ctx, p.gate)
	}
	if err != nil {
		_ = l.watched(err) // logged; the outcome does not depend on it
	}
	return o
}

// reportBreaker reports whether Sinch responded. A request that was not sent
// counts as a response only if Sinch itself refused it.
func (p *Permit) reportBreaker(o message.Outcome) {
	switch {
	case o.Kind == message.OutcomeNotBegun:
		p.breaker.Release()
	case o.Kind == message.OutcomeUnknown, o.Kind == message.OutcomeNotSent && o.SinchCode == "":
		p.breaker.Failed()
	default:
		p.breaker.Answered()
	}
}

// refused reports an account error. When other messages pass, the message itself
// is the cause, and it fails.
func (l *Limiter) refused(ctx context.Context, p GatePermit, o message.Outcome) (message.Outcome, error) {
	verdict, err := l.gate.Refused(ctx, p, o.SinchCode)
	if err != nil {
		return o, err
	}
	if verdict.Paused {
		l.log.Warn().Str("sinch_code", o.SinchCode).Dur("pause_ms", l.gate.opts.Pause).
			Msg("account paused: calls wait, one at a time probes")
	}
	if verdict.Alone {
		o.Kind = message.OutcomeRefused
		return o, nil
	}
	o.RetryAfter = max(o.RetryAfter, verdict.RetryIn)
	return o, nil
}

// passed reports that the account works.
func (l *Limiter) passed(ctx context.Context, p GatePermit) error {
	ended, err := l.gate.Passed(ctx, p)
	if ended {
		l.log.Info().Msg("account works again: calls go on")
	}
	return err
}
