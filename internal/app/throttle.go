package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mmsdispatch/internal/jobs"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/throttle"
)

// brakes join what holds calls to Sinch back, for the jobs: the pace and the
// pause of the account, and the breaker of this process.
type brakes struct {
	breaker *throttle.Breaker
	pacer   *throttle.Pacer
	gate    *throttle.Gate
	// free lets a message pass that never reaches Sinch.
	free func(m *message.Message) bool
}

// Enter implements jobs.Throttle. The breaker comes first: it costs nothing, and
// while Sinch does not answer, no token and no probe of the account is wasted.
func (b *brakes) Enter(ctx context.Context, m *message.Message) (jobs.Pass, time.Duration, error) {
	if b.free(m) {
		return freePass{}, 0, nil
	}
	leave, err := b.breaker.Enter(ctx)
	if err != nil {
		return notNow(ctx, err)
	}
	// A replay is a new message to the gate: what was held against the old one is over.
	ticket, err := b.gate.Enter(ctx, string(m.ID)+":"+strconv.Itoa(m.Replayed))
	if err != nil {
		leave.Nothing()
		return notNow(ctx, err)
	}
	pass := &pass{brakes: b, leave: leave, ticket: ticket, lane: lane(m.Content.Priority)}
	err = b.pacer.Wait(ctx, pass.lane)
	if err == nil {
		err = pass.confirm(ctx)
	}
	if err != nil {
		pass.giveBack(ctx)
		return notNow(ctx, err)
	}
	return pass, 0, nil
}

// notNow turns a refusal into the time to come back.
func notNow(ctx context.Context, err error) (jobs.Pass, time.Duration, error) {
	if wait, ok := errors.AsType[*throttle.WaitError](err); ok {
		return nil, wait.RetryIn, nil
	}
	if closed, ok := errors.AsType[*throttle.ClosedError](err); ok {
		return nil, closed.RetryIn, nil
	}
	if ctx.Err() != nil {
		return nil, time.Second, nil //nolint:nilerr // the worker stops, or the task's time is over
	}
	return nil, 0, fmt.Errorf("throttle: %w", err)
}

func lane(p message.Priority) throttle.Lane {
	switch p {
	case message.High:
		return throttle.High
	case message.Bulk:
		return throttle.Bulk
	case message.Normal:
	}
	return throttle.Normal
}

// pass is the leave to make one call to Sinch.
type pass struct {
	brakes *brakes
	leave  throttle.Leave
	ticket throttle.Ticket
	lane   throttle.Lane
}

// More implements jobs.Pass. A probe goes to one recipient.
func (p *pass) More(ctx context.Context, n int) (int, time.Duration, error) {
	if p.ticket.Probe || p.leave.Probe {
		return 0, 0, nil
	}
	got := p.brakes.pacer.More(ctx, p.lane, n)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	if err := p.confirm(ctx); err != nil {
		p.giveBack(ctx)
		_, wait, err := notNow(ctx, err)
		return 0, wait, err
	}
	return got, 0, nil
}

// confirm says whether calls may still begin after the pace was waited for: the
// account may have been refused meanwhile, or Sinch have gone away.
func (p *pass) confirm(ctx context.Context) error {
	if err := p.brakes.breaker.Confirm(p.leave); err != nil {
		return err
	}
	return p.brakes.gate.Confirm(ctx, p.ticket)
}

// giveBack reports that the call was not begun, also to a caller that gave up.
func (p *pass) giveBack(ctx context.Context) {
	p.Done(context.WithoutCancel(ctx), message.Outcome{Kind: message.OutcomeNotBegun})
}

// confirmTimeout bounds what a call that has waited for its pace waits for.
const confirmTimeout = 2 * time.Second

// Done implements jobs.Pass. When Redis does not take the news, the outcome
// stays as it is: the gate errs on the side of another probe.
func (p *pass) Done(ctx context.Context, o message.Outcome) message.Outcome {
	p.report(o)
	switch o.Kind {
	case message.OutcomeAccount:
		return p.refused(ctx, o)
	case message.OutcomeThrottled:
		_ = p.brakes.pacer.Throttled(ctx, o.RetryAfter)
		_ = p.brakes.gate.Passed(ctx, p.ticket)
	case message.OutcomeAccepted, message.OutcomeRefused, message.OutcomeGone, message.OutcomeNotReady:
		p.brakes.pacer.Answered()
		_ = p.brakes.gate.Passed(ctx, p.ticket)
	case message.OutcomeNotSent, message.OutcomeNotBegun, message.OutcomeUnknown:
		_ = p.brakes.gate.Nothing(ctx, p.ticket)
	}
	return o
}

// report tells the breaker whether Sinch is there. A call that was surely not
// sent shows that only if Sinch itself said so.
func (p *pass) report(o message.Outcome) {
	switch {
	case o.Kind == message.OutcomeNotBegun:
		p.leave.Nothing()
	case o.Kind == message.OutcomeUnknown, o.Kind == message.OutcomeNotSent && o.SinchCode == "":
		p.leave.Failed()
	default:
		p.leave.Answered()
	}
}

// refused takes an account answer in. When others pass, the trouble is this
// message, and it ends.
func (p *pass) refused(ctx context.Context, o message.Outcome) message.Outcome {
	verdict, err := p.brakes.gate.Refused(ctx, p.ticket)
	if err != nil {
		return o
	}
	if verdict.Alone {
		o.Kind = message.OutcomeRefused
		return o
	}
	o.RetryAfter = max(o.RetryAfter, verdict.RetryIn)
	return o
}

// freePass is for messages that no pace applies to.
type freePass struct{}

// More implements jobs.Pass.
func (freePass) More(_ context.Context, n int) (int, time.Duration, error) { return n, 0, nil }

// Done implements jobs.Pass.
func (freePass) Done(_ context.Context, o message.Outcome) message.Outcome { return o }
