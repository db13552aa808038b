package throttle

import (
	"context"
	"slices"

	"mmsdispatch/internal/message"
)

// Extend takes up to n further tokens for a caller that has one, since a call
// counts as often as it has recipients. It returns how many there were when ctx
// ended.
func (p *Pacer) Extend(ctx context.Context, lane message.Lane, n int) int {
	return p.extend(ctx, lane, claim{}, n)
}

// extend is Extend for recipients of a sender.
func (p *Pacer) extend(ctx context.Context, lane message.Lane, c claim, n int) int {
	if n <= 0 || ctx.Err() != nil {
		return 0
	}
	answers := make(chan error, n)
	c.message = "" // the recipients reserve nothing
	p.joinAll(&waiter{lane: lane, claim: c, done: answers}, n)
	got := 0
	for range n {
		select {
		case err := <-answers:
			got += worth(err)
		case <-ctx.Done():
			p.leaveAll(lane, answers)
			for len(answers) > 0 { // decided in the same moment
				got += worth(<-answers)
			}
			return got
		}
	}
	return got
}

// extendEach takes a token for each claim, in their order, and returns which were
// granted when ctx ended. A claim without a token reserves one.
func (p *Pacer) extendEach(ctx context.Context, lane message.Lane, claims []claim) []bool {
	waiters := make([]*waiter, len(claims))
	for i, c := range claims {
		waiters[i] = &waiter{lane: lane, claim: c, done: make(chan error, 1)}
		p.join(waiters[i])
	}
	granted := make([]bool, len(claims))
	for i, w := range waiters {
		granted[i] = p.decided(ctx, w)
	}
	return granted
}

// decided waits until a waiter is answered or ctx ends, and reports whether it got a
// token.
func (p *Pacer) decided(ctx context.Context, w *waiter) bool {
	select {
	case err := <-w.done:
		return err == nil
	case <-ctx.Done():
		if _, left := p.remove(w); left {
			return false
		}
	}
	return <-w.done == nil // decided in the same moment
}

// worth is how many tokens an answer is.
func worth(err error) int {
	if err != nil {
		return 0
	}
	return 1
}

// joinAll queues n waiters like one.
func (p *Pacer) joinAll(like *waiter, n int) {
	for range n {
		w := *like
		p.join(&w)
	}
}

// leaveAll takes the waiters of a channel out of their lane.
func (p *Pacer) leaveAll(lane message.Lane, answers chan error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lanes[lane] = slices.DeleteFunc(p.lanes[lane], func(w *waiter) bool { return w.done == answers })
	if p.waiting() == 0 {
		p.wakeUp()
	}
}
