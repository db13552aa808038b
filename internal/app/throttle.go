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

// brakes join the pace and the pause of the Sinch account for the jobs.
type brakes struct {
	pacer *throttle.Pacer
	gate  *throttle.Gate
	// free lets a message pass that never reaches Sinch.
	free func(m *message.Message) bool
}

// Enter implements jobs.Throttle.
func (b *brakes) Enter(ctx context.Context, m *message.Message) (jobs.Pass, time.Duration, error) {
	if b.free(m) {
		return freePass{}, 0, nil
	}
	// A replay is a new message to the gate: what was held against the old one is over.
	ticket, err := b.gate.Enter(ctx, string(m.ID)+":"+strconv.Itoa(m.Replayed))
	if err != nil {
		return notNow(ctx, err)
	}
	pass := &pass{brakes: b, ticket: ticket, lane: lane(m.Content.Priority)}
	if err := b.pacer.Wait(ctx, lane(m.Content.Priority)); err != nil {
		pass.Done(context.WithoutCancel(ctx), message.Outcome{Kind: message.OutcomeNotBegun})
		return notNow(ctx, err)
	}
	if err := b.gate.Confirm(ctx, ticket); err != nil { // the account may have been refused while the pace was waited for
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
	ticket throttle.Ticket
	lane   throttle.Lane
}

// More implements jobs.Pass. A probe goes to one recipient.
func (p *pass) More(ctx context.Context, n int) (int, time.Duration, error) {
	if p.ticket.Probe {
		return 0, 0, nil
	}
	got := p.brakes.pacer.More(ctx, p.lane, n)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	if err := p.brakes.gate.Confirm(ctx, p.ticket); err != nil {
		_, wait, err := notNow(ctx, err)
		return 0, wait, err
	}
	return got, 0, nil
}

// confirmTimeout bounds what a call that has waited for its pace waits for.
const confirmTimeout = 2 * time.Second

// Done implements jobs.Pass. When Redis does not take the news, the outcome
// stays as it is: the gate errs on the side of another probe.
func (p *pass) Done(ctx context.Context, o message.Outcome) message.Outcome {
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
