package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
)

const (
	// batchWindow is how long a new member waits for others, so that rows that are
	// accepted one after another go out in one request.
	batchWindow = time.Second
	// extendFor bounds how long a request waits for the permits of all its
	// recipients: it goes to as many as have one by then.
	extendFor = time.Second
	// writers is how many members of a group are written at a time.
	writers = 16
	// dispatchFor bounds the making of tasks after a request. What has none by then
	// is left to the sweeper.
	dispatchFor = 5 * time.Second
)

// sendGroup makes one request to Sinch for members of a group that are due, and
// hands the group on to a task of the next generation before the request leaves.
func (h *Handler) sendGroup(ctx context.Context, name, lane string, generation int64) error {
	view, err := h.queue.ReadGroup(ctx, name)
	switch {
	case err != nil:
		return later(pauseOnFault, "queue unavailable")
	case view.Generation != generation:
		return h.enqueueGroup(ctx, queue.Group{Name: name, Lane: lane, Generation: view.Generation})
	case len(view.Due) == 0:
		return later(view.Next.Sub(view.Now), "not due yet")
	}
	seen, err := h.ledger.ReadMany(ctx, view.Due)
	if err != nil {
		return later(pauseOnFault, "ledger unavailable")
	}
	run := &groupRun{name: name, lane: lane, generation: generation}
	run.sort(view, seen)
	for _, m := range h.changeEach(ctx, run.expired, func(int) ledger.Change { return (*message.Message).Expire }) {
		run.leave = append(run.leave, m.ID)
	}
	if len(run.ready) > 0 {
		if err := h.sendReady(ctx, run, view.Now); err != nil {
			return err
		}
	}
	return run.end(ctx, h)
}

// groupRun is one run of a group's task.
type groupRun struct {
	name       string
	lane       string
	generation int64
	ready      []ledger.Snapshot // can be sent now, each to a number of its own
	repeated   []ledger.Snapshot // can be sent now, but their number is in the request already
	expired    []ledger.Snapshot
	leave      []message.ID       // no longer wait in the group
	join       []*message.Message // wait for another time
	handedOn   bool
}

// task is the task that is run. All members are in the same pauses, if any.
func (t *groupRun) task() queue.Task {
	return queue.Group{Name: t.name, Lane: t.lane, Generation: t.generation}.Task()
}

// sort decides what becomes of the members that are due.
func (t *groupRun) sort(view queue.GroupView, seen []ledger.Snapshot) {
	gone := make(map[message.ID]bool, len(view.Due))
	for _, id := range view.Due {
		gone[id] = true
	}
	numbers := make(map[string]bool, len(seen))
	for _, s := range seen {
		m := s.Message
		gone[m.ID] = false
		err := m.Ready(m.Task, view.Now)
		switch {
		case m.Group != t.name || errors.Is(err, message.ErrNotWaiting):
			t.leave = append(t.leave, m.ID)
		case errors.Is(err, message.ErrTooEarly):
			t.join = append(t.join, m)
		case err != nil:
			t.expired = append(t.expired, s)
		case numbers[m.Content.To]:
			t.repeated = append(t.repeated, s)
		default:
			numbers[m.Content.To] = true
			t.ready = append(t.ready, s)
		}
	}
	for id, is := range gone {
		if is {
			t.leave = append(t.leave, id)
		}
	}
}

// fresh reports whether all members that are ready have been accepted just now.
// An age below zero comes from a clock that is ahead.
func (t *groupRun) fresh(now time.Time) bool {
	for _, s := range t.ready {
		if age := now.Sub(s.Message.CreatedAt); age < 0 || age >= batchWindow {
			return false
		}
	}
	return true
}

// sendReady sends to the members that are ready. An error ends the run; the
// task comes again.
func (h *Handler) sendReady(ctx context.Context, run *groupRun, now time.Time) error {
	first := run.ready[0].Message
	if err := h.paused(ctx, first, run.task()); err != nil {
		return err
	}
	bulk, ok := h.providers.For(first).(sinch.Bulk)
	if !ok { // accepted under another setting
		h.separate(ctx, run, run.ready)
		return nil
	}
	run.ready = run.ready[:min(len(run.ready), bulk.MaxRecipients())]
	if len(run.ready) < bulk.MaxRecipients() && run.fresh(now) {
		return later(batchWindow, "batch window")
	}
	h.separate(ctx, run, run.repeated)
	media, err := h.checkMedia(ctx, first)
	if err != nil {
		return h.badGroupMedia(ctx, run, err)
	}
	slot, err := h.slotsOf(first).acquire(ctx, first.Scope.Tenant)
	if err != nil {
		return err
	}
	defer slot.release()
	permit, err := h.admit(ctx, first, run.task())
	if err != nil {
		return err
	}
	defer permit.Release(ctx) // unless the request was made
	n, err := h.extend(ctx, permit, run)
	if err != nil {
		return err
	}
	run.ready = run.ready[:n]
	return h.sendMany(ctx, run, bulk, media, permit)
}

// extend has a permit cover the members that are ready and returns how many of
// them it does cover.
func (h *Handler) extend(ctx context.Context, permit *throttle.Permit, run *groupRun) (int, error) {
	soon, cancel := context.WithTimeout(ctx, h.spare(ctx))
	defer cancel()
	defer context.AfterFunc(h.open, cancel)()
	further, err := permit.Extend(soon, len(run.ready)-1)
	if err != nil {
		return 0, h.denied(err)
	}
	return 1 + further, h.blocked(ctx, run.ready[0].Message, run.task())
}

// spare is how long a request may wait for permits without taking the time of
// the call away.
func (h *Handler) spare(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return extendFor
	}
	return min(extendFor, (time.Until(end)-h.timing.Call)/2)
}

// separate takes messages out of their group: each has a task of its own from
// now on.
func (h *Handler) separate(ctx context.Context, run *groupRun, members []ledger.Snapshot) {
	alone := h.changeEach(ctx, members, func(int) ledger.Change {
		return func(m *message.Message, _ time.Time) error { return m.Ungroup() }
	})
	if err := h.queue.DispatchMany(ctx, alone); err != nil {
		h.log.Warn().Err(err).Msg("tasks not enqueued; the sweeper will enqueue them")
	}
	for _, m := range alone {
		run.leave = append(run.leave, m.ID)
	}
}

// changeEach changes members of a group, some at a time, and returns those for
// which it worked.
func (h *Handler) changeEach(ctx context.Context, members []ledger.Snapshot, change func(i int) ledger.Change) []*message.Message {
	after := make([]*message.Message, len(members))
	var all errgroup.Group
	all.SetLimit(writers)
	for i, seen := range members {
		all.Go(func() error {
			m, err := h.ledger.UpdateFrom(ctx, seen, change(i))
			if err != nil {
				h.log.Debug().Err(err).Str("message_id", string(seen.Message.ID)).Msg("member of a group not changed")
				return nil
			}
			after[i] = m
			return nil
		})
	}
	_ = all.Wait() // no member keeps the others from being changed
	changed := after[:0]
	for _, m := range after {
		if m != nil {
			changed = append(changed, m)
		}
	}
	return changed
}

// badGroupMedia decides what follows media that cannot be sent: the members have
// the same.
func (h *Handler) badGroupMedia(ctx context.Context, run *groupRun, why error) error {
	bad, ok := errors.AsType[*MediumError](why)
	if !ok {
		return later(pauseOnFault, "media not checked yet")
	}
	h.log.Info().Str("group", run.name).Str("media", bad.Detail).Bool("temporary", bad.Temporary).Msg("bad media")
	retry := sameDelays(h.mediaRetry(bad.RetryIn))
	for _, m := range h.changeEach(ctx, run.ready, func(i int) ledger.Change { return bad.change(run.ready[i].Message.Task, retry) }) {
		if m.Status.Waiting() {
			run.join = append(run.join, m)
		} else {
			run.leave = append(run.leave, m.ID)
		}
	}
	return nil
}

// handOn changes the group as the run has decided, and has the next task stand
// for it.
func (t *groupRun) handOn(ctx context.Context, h *Handler) error {
	t.handedOn = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dispatchFor)
	defer cancel()
	groups, err := h.queue.Regroup(ctx, queue.GroupChange{Name: t.name, Lane: t.lane, HandOn: t.generation, Leave: t.leave, Join: t.join})
	if err != nil {
		return later(pauseOnFault, "queue unavailable")
	}
	return h.enqueueGroup(ctx, groups[0])
}

// end hands the group on, unless the run has.
func (t *groupRun) end(ctx context.Context, h *Handler) error {
	if t.handedOn {
		return nil
	}
	return t.handOn(ctx, h)
}

// enqueueGroup makes the task of a group that has members.
func (h *Handler) enqueueGroup(ctx context.Context, g queue.Group) error {
	if g.Generation == 0 {
		return nil
	}
	if _, err := h.queue.Enqueue(ctx, g.Task()); err != nil {
		return later(pauseOnFault, "queue unavailable")
	}
	return nil
}

// multiCall is a request for several messages that has begun.
type multiCall struct {
	members  []ledger.Begun
	before   []*message.Message // the members as they waited
	deadline time.Time          // local
}

// sendMany begins a request for the members that are ready, makes it and records
// what became of each.
func (h *Handler) sendMany(ctx context.Context, run *groupRun, bulk sinch.Bulk, media []sinch.Media, permit *throttle.Permit) error {
	ids := make([]message.ID, len(run.ready))
	for i, seen := range run.ready {
		ids[i] = seen.Message.ID
		h.worker.enter(ids[i])
	}
	defer func() {
		for _, id := range ids {
			h.worker.leave(id)
		}
	}()
	call, err := h.beginMany(ctx, run, bulk.Origin())
	if err != nil || len(call.members) == 0 {
		return err
	}
	handedOn := run.handOn(ctx, h)
	first := call.members[0].Message
	a := *first.Current()
	to := make([]string, len(call.members))
	for i, b := range call.members {
		to[i] = b.Message.Content.To
	}
	outcome, took := h.call(ctx, recipients{bulk, to}, first, a, wireMessage(first, a, payload{media: media}, call.deadline))
	for _, b := range call.members {
		h.worker.calls.concluded(b.Message.ID, b.Message.Attempts, call.forEach(outcome))
	}
	outcome = permit.Report(h.life, outcome)
	h.recordMany(call, outcome, took)
	return handedOn
}

// recipients sends to several recipients in place of one.
type recipients struct {
	sinch.Bulk

	to []string
}

// Send implements sinch.Provider.
func (p recipients) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	return p.SendMany(ctx, m, p.to)
}

// beginMany records the attempts of all messages of a request. As in begin, the
// local deadline is that of the first to run out.
func (h *Handler) beginMany(ctx context.Context, run *groupRun, origin sinch.Origin) (multiCall, error) {
	start := time.Now()
	a := message.Attempt{Worker: h.worker.ID, API: string(origin.API), BaseURL: origin.BaseURL, Account: origin.Account}
	if len(run.ready) > 1 {
		a.Call = message.NewCall()
	}
	results, err := h.ledger.BeginMany(ctx, a.Call, run.ready, func(m *message.Message, now time.Time) error {
		a.Deadline = now.Add(h.timing.Call)
		return m.Begin(m.Task, a, now)
	}, h.worker.Lease())
	if err != nil {
		h.log.Warn().Err(err).Int("messages", len(run.ready)).Msg("call not begun")
		for _, seen := range run.ready {
			h.worker.AddUnconfirmed(seen.Message.ID, seen.Message.Attempts+1, start.Add(UnconfirmedFor))
		}
		return multiCall{}, later(pauseOnFault, "ledger unavailable")
	}
	var call multiCall
	for i, r := range results {
		if r.Err != nil {
			continue
		}
		begun := *r.Message.Current()
		h.worker.begun(r.Begun, begun)
		run.leave = append(run.leave, r.Message.ID)
		call.members = append(call.members, r.Begun)
		call.before = append(call.before, run.ready[i].Message)
		if end := start.Add(begun.Deadline.Sub(r.Now)); call.deadline.IsZero() || end.Before(call.deadline) {
			call.deadline = end
		}
	}
	if err := h.notBegunMany(ctx, run, results); len(call.members) == 0 {
		return call, err
	}
	return call, nil
}

// notBegunMany decides what follows for members that could not begin. Those that
// still wait stay in the group. The error says when to come again if no other
// has begun.
func (h *Handler) notBegunMany(ctx context.Context, run *groupRun, results []ledger.Member) error {
	var (
		all   errgroup.Group
		mu    sync.Mutex
		again error
	)
	all.SetLimit(writers)
	var held []ledger.Snapshot
	for i, r := range results {
		switch {
		case r.Err == nil:
		case errors.Is(r.Err, ledger.ErrSuppressed):
			held = append(held, run.ready[i])
		default:
			all.Go(func() error {
				if err := h.notBegun(ctx, run.ready[i].Message, r.Begun, r.Err); err != nil {
					mu.Lock()
					defer mu.Unlock()
					again = err
				}
				return nil
			})
		}
	}
	_ = all.Wait() // its functions return none
	h.separate(ctx, run, held)
	return again
}

// divided reports whether a request has to be made again in parts: Sinch refused
// it, and one of its messages may be the only cause.
func (c multiCall) divided(o message.Outcome) bool {
	return o.Kind == message.OutcomeRefused && len(c.members) > 1
}

// forEach is what the outcome of a request means for each of its messages.
func (c multiCall) forEach(o message.Outcome) message.Outcome {
	if c.divided(o) {
		o.Kind = message.OutcomeNotBegun
	}
	return o
}

// recordMany records the outcome for all messages of a request. Those that wait
// again join their groups once all of them do, so that they go out together.
func (h *Handler) recordMany(call multiCall, o message.Outcome, took time.Duration) {
	var (
		all   errgroup.Group
		mu    sync.Mutex
		again []*message.Message
	)
	all.SetLimit(writers)
	retry := sameDelays(h.retry)
	for i, b := range call.members {
		all.Go(func() error {
			n := b.Message.Attempts
			after, err := h.record(b.After, n, func(m *message.Message, now time.Time) error {
				half := 2 * i / len(call.members)
				switch {
				case call.divided(o):
					return m.Divide(n, half, o, now)
				case o.Kind == message.OutcomeThrottled && len(call.members) > 1: // it may be more than Sinch takes at once
					return m.ConcludeHalf(n, half, o, retry, now)
				default:
					return m.Conclude(n, o, retry, now)
				}
			})
			h.logCall(call.before[i], *b.Message.Current(), call.forEach(o), took, after)
			if err == nil && after.Status.Waiting() {
				mu.Lock()
				defer mu.Unlock()
				again = append(again, after)
			}
			return nil
		})
	}
	_ = all.Wait() // its functions return none
	ctx, cancel := context.WithTimeout(h.life, dispatchFor)
	defer cancel()
	if err := h.queue.DispatchMany(ctx, again); err != nil {
		h.log.Warn().Err(err).Msg("tasks not enqueued; the sweeper will enqueue them")
	}
}

// sameDelays is a policy under which messages that have failed as often as one
// another wait equally long.
func sameDelays(retry message.Retry) message.Retry {
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
