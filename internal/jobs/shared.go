package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
)

const (
	// gatherFor is how long a new message waits for others to share its call, and
	// how long a call waits for the pace of all its recipients.
	gatherFor = time.Second
	// lookForOwn is how often a message is looked at that somebody else seems to
	// have taken into a call.
	lookForOwn = 50 * time.Millisecond
	// recorders is how many outcomes of one call are written down at a time.
	recorders = 16
	// remakeFor bounds the making of tasks anew. What has none by then is left to
	// the sweeper.
	remakeFor = 5 * time.Second
)

// bulk is the way to Sinch of a message that others may share a call with.
func (h *Handler) bulk(m *message.Message) (sinch.Bulk, bool) {
	if m.Group == "" {
		return nil, false
	}
	bulk, ok := h.providers.For(m).(sinch.Bulk)
	return bulk, ok
}

// gathering is how long a new message waits for company; zero: no longer.
func (h *Handler) gathering(ctx context.Context, m *message.Message) time.Duration {
	bulk, ok := h.bulk(m)
	if !ok || time.Since(m.CreatedAt) >= gatherFor {
		return 0
	}
	if n, err := h.queue.gathered(ctx, m.Group); err != nil || n >= bulk.MaxRecipients() {
		return 0
	}
	return gatherFor
}

// attemptShared makes a call for what waits of a message's group, whether the
// message itself is among it or was taken by somebody else. With nobody there
// the message goes alone.
func (h *Handler) attemptShared(ctx context.Context, bulk sinch.Bulk, m *message.Message, task int, types []string) error {
	over, err := h.turn(ctx, m, task)
	if over == nil {
		return err
	}
	defer over()
	permit, err := h.admit(ctx, m)
	if err != nil {
		return err
	}
	defer permit.Release(ctx) // unless its call was made
	some, err := h.company(ctx, bulk, m, permit)
	if err != nil {
		return err
	}
	if len(some) == 0 {
		over()
		return h.attemptAlone(ctx, m.ID, task, types, permit)
	}
	h.callShared(ctx, bulk, some, types, permit, over)
	if _, waits, err := h.still(ctx, m.ID, task); !waits {
		return err
	}
	return later(0, "others of its group went first")
}

// still reads a message again. When it no longer waits for its call, the error
// says what follows from that.
func (h *Handler) still(ctx context.Context, id message.ID, task int) (own ledger.Snapshot, waits bool, err error) {
	own, err = h.ledger.Read(ctx, id)
	if err != nil {
		return own, false, h.unread(id, err)
	}
	if err := own.Message.Ready(task, time.Now()); err != nil {
		return own, false, h.notReady(ctx, own.Message, err)
	}
	return own, true, nil
}

// attemptAlone makes a call for a message that is listed nowhere: somebody is
// just about to take it into a call, or its place in the list was lost.
func (h *Handler) attemptAlone(ctx context.Context, id message.ID, task int, types []string, permit *throttle.Permit) error {
	ticker := time.NewTicker(lookForOwn)
	defer ticker.Stop()
	for end := time.Now().Add(h.spare(ctx)); ; {
		own, waits, err := h.still(ctx, id, task)
		if waits {
			err = h.hindered(ctx)
		}
		if !waits || err != nil {
			return err
		}
		if time.Now().After(end) {
			return h.attempt(ctx, own, task, cargo{media: wireMedia(own.Message, types)}, permit)
		}
		select {
		case <-ticker.C:
		case <-h.open.Done():
			return later(time.Second, "worker stops")
		}
	}
}

// spare is how long may be waited now without taking the call's time away.
func (h *Handler) spare(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return gatherFor
	}
	return min(gatherFor, (time.Until(end)-h.timing.Call)/2)
}

// company takes as many messages of a group as the pace allows.
func (h *Handler) company(ctx context.Context, bulk sinch.Bulk, m *message.Message, permit *throttle.Permit) ([]ledger.Snapshot, error) {
	n, err := h.more(ctx, bulk, m, permit)
	if err != nil {
		return nil, err
	}
	if h.open.Err() != nil {
		return nil, later(time.Second, "worker stops")
	}
	if err := h.hindered(ctx); err != nil {
		return nil, err
	}
	ids, err := h.queue.take(ctx, m.Group, n)
	if err != nil {
		return nil, later(pauseOnFault, "queue unavailable")
	}
	some, err := h.ledger.ReadMany(ctx, ids)
	if err != nil {
		return nil, later(pauseOnFault, "ledger unavailable")
	}
	return h.fitting(ctx, m.Group, some), nil
}

// more is to how many messages of a group a call may go: as many as there are
// and the pace allows soon, but no time is spent past the moment the worker
// stops.
func (h *Handler) more(ctx context.Context, bulk sinch.Bulk, m *message.Message, permit *throttle.Permit) (int, error) {
	n, err := h.queue.gathered(ctx, m.Group)
	if err != nil {
		return 0, later(pauseOnFault, "queue unavailable")
	}
	n = min(n, bulk.MaxRecipients())
	if n <= 1 {
		return 1, nil
	}
	soon, cancel := context.WithTimeout(ctx, h.spare(ctx))
	defer cancel()
	defer context.AfterFunc(h.open, cancel)()
	further, err := permit.Extend(soon, n-1)
	if err != nil {
		return 0, h.denied(err)
	}
	return 1 + further, nil
}

// fitting chooses the messages that can share a call now. Those that wait for
// another time are listed again. One whose number is in the call goes alone from
// now on: it would take a token of the pace each time it is left out.
func (h *Handler) fitting(ctx context.Context, group string, some []ledger.Snapshot) []ledger.Snapshot {
	now, called := time.Now(), make(map[string]message.ID, len(some))
	fit := some[:0]
	var again []*message.Message
	for _, seen := range some {
		m := seen.Message
		err := m.Ready(m.Task, now)
		other, taken := called[m.Content.To]
		switch {
		case m.Group != group:
		case errors.Is(err, message.ErrTooEarly):
			again = append(again, m)
		case err == nil && !taken:
			called[m.Content.To] = m.ID
			fit = append(fit, seen)
		case err == nil && other != m.ID: // not just listed twice
			h.alone(ctx, m.ID)
		}
	}
	h.queue.gather(ctx, again...)
	return fit
}

// alone takes a message out of its group; its own task sees to the rest.
func (h *Handler) alone(ctx context.Context, id message.ID) {
	if _, err := h.ledger.Update(ctx, id, func(m *message.Message, _ time.Time) error { return m.Alone() }); err != nil {
		h.log.Debug().Err(err).Str("message_id", string(id)).Msg("message stays in its group")
	}
}

// sharedCall is a call for several messages that has begun.
type sharedCall struct {
	members  []ledger.Begun
	deadline time.Time // local
}

// callShared begins a call for several messages, makes it and records what
// became of each. Those that cannot begin are left out: their own tasks see to
// them. Once it has begun, the turn is over.
func (h *Handler) callShared(
	ctx context.Context, bulk sinch.Bulk, some []ledger.Snapshot, types []string, permit *throttle.Permit, over func(),
) {
	for _, seen := range some {
		h.worker.enter(seen.Message.ID)
	}
	defer func() {
		for _, seen := range some {
			h.worker.leave(seen.Message.ID)
		}
	}()
	call := h.beginShared(ctx, some, bulk.Origin())
	over()
	if len(call.members) == 0 {
		return
	}
	first := call.members[0].Message
	a := *first.Current()
	to := make([]string, len(call.members))
	for i, b := range call.members {
		to[i] = b.Message.Content.To
	}
	outcome := h.call(ctx, toMany{bulk, to}, first, a, wireMessage(first, a, cargo{media: wireMedia(first, types)}, call.deadline))
	for _, b := range call.members {
		h.worker.memory.concluded(b.Message.ID, b.Message.Attempts, call.forEach(outcome))
	}
	outcome = permit.Report(h.life, outcome)
	h.log.Info().Str("call", a.Ref(first.ID)).Int("recipients", len(to)).Str("outcome", string(outcome.Kind)).Msg("shared call")
	h.recordShared(call, outcome)
}

// toMany sends to several recipients in place of one.
type toMany struct {
	sinch.Bulk

	to []string
}

// Send implements sinch.Provider.
func (p toMany) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	return p.SendMany(ctx, m, p.to)
}

// beginShared writes the attempts of all messages of a call down. As in begin,
// the local deadline is that of the first to run out.
func (h *Handler) beginShared(ctx context.Context, some []ledger.Snapshot, origin sinch.Origin) sharedCall {
	start := time.Now()
	a := message.Attempt{Worker: h.worker.ID, API: string(origin.API), BaseURL: origin.BaseURL, Account: origin.Account}
	if len(some) > 1 {
		a.Call = message.NewCall()
	}
	results, err := h.ledger.BeginShared(ctx, a.Call, some, func(m *message.Message, now time.Time) error {
		a.Deadline = now.Add(h.timing.Call)
		return m.Begin(m.Task, a, now)
	}, h.worker.Lease())
	if err != nil {
		h.log.Warn().Err(err).Int("messages", len(some)).Msg("call not begun")
		for _, seen := range some {
			h.worker.doubt(seen.Message.ID, seen.Message.Attempts+1, start.Add(doubtFor))
		}
		return sharedCall{}
	}
	var call sharedCall
	for i, r := range results {
		if r.Err != nil {
			_ = h.notBegun(ctx, some[i].Message.ID, r.Begun, r.Err) // its own task sees to the rest
			continue
		}
		begun := *r.Message.Current()
		h.worker.begun(r.Begun, begun)
		call.members = append(call.members, r.Begun)
		if end := start.Add(begun.Deadline.Sub(r.Now)); call.deadline.IsZero() || end.Before(call.deadline) {
			call.deadline = end
		}
	}
	return call
}

// divided reports whether a call has to be made again in parts: Sinch refused
// it, and one of its messages may be the only cause.
func (c sharedCall) divided(o message.Outcome) bool {
	return o.Kind == message.OutcomeRefused && len(c.members) > 1
}

// forEach is what the outcome of a call means for each of its messages.
func (c sharedCall) forEach(o message.Outcome) message.Outcome {
	if c.divided(o) {
		o.Kind = message.OutcomeNotBegun
	}
	return o
}

// recordShared writes the outcome down for all messages of a call, and makes
// the tasks of those that wait again once all of them do, so that they go
// together again.
func (h *Handler) recordShared(call sharedCall, o message.Outcome) {
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		again []*message.Message
	)
	retry, slots := together(h.retry), make(chan struct{}, recorders)
	for i, b := range call.members {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			n := b.Message.Attempts
			after, err := h.record(b.After, n, func(m *message.Message, now time.Time) error {
				half := 2 * i / len(call.members)
				switch {
				case call.divided(o):
					return m.Divide(n, half, o, now)
				case o.Kind == message.OutcomeThrottled && len(call.members) > 1: // it may be more than Sinch takes at once
					return m.ConcludeHalf(n, half, o, retry, now)
				default:
					return m.ConcludeShared(n, o, retry, now)
				}
			})
			if err == nil && after.Status.Waiting() {
				mu.Lock()
				defer mu.Unlock()
				again = append(again, after)
			}
		})
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(h.life, remakeFor)
	defer cancel()
	if err := h.queue.DispatchMany(ctx, again); err != nil {
		h.log.Warn().Err(err).Msg("tasks not made anew; the sweeper will")
	}
}

// together is a policy under which messages that have failed as often as one
// another wait equally long.
func together(retry message.Retry) message.Retry {
	var (
		mu    sync.Mutex
		known = make(map[int]time.Duration)
	)
	delay := func(tries int) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		d, ok := known[tries]
		if !ok {
			d = retry.Delay(tries)
			known[tries] = d
		}
		return d
	}
	return message.Retry{Max: retry.Max, Delay: delay}
}
