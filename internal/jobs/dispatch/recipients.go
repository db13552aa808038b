package dispatch

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
)

const (
	// batchWindow is the time for which a new member waits for others, so that rows
	// that are accepted one after another are sent in one request.
	batchWindow = time.Second
	// extendFor bounds the wait for the permits of all recipients: the request is sent
	// to those that have one by then.
	extendFor = time.Second
	// writers is the number of members of a group that are written concurrently.
	writers = 16
	// dispatchFor bounds the enqueuing of tasks after a request. The sweeper enqueues
	// the missing ones.
	dispatchFor = 5 * time.Second
)

// sendGroup makes one request to Sinch for members of a group that are due. Before
// the request is written it replaces the task with one of the next generation.
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
		run.remove = append(run.remove, m.ID)
	}
	h.holdQuiet(ctx, run, view.Now)
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
	ready      []ledger.Snapshot // can be sent now, each to another number
	repeated   []ledger.Snapshot // can be sent now, but the request has their number already
	expired    []ledger.Snapshot
	remove     []message.ID       // no longer wait in the group
	add        []*message.Message // wait for another time
	replaced   bool               // the task has been replaced by the next one
}

// task is the task that runs. All members have the same pauses.
func (t *groupRun) task() queue.Task {
	return queue.Group{Name: t.name, Lane: t.lane, Generation: t.generation}.Task()
}

// sort assigns the members that are due to the lists of the run.
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
			t.remove = append(t.remove, m.ID)
		case errors.Is(err, message.ErrTooEarly):
			t.add = append(t.add, m)
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
			t.remove = append(t.remove, id)
		}
	}
}

// fresh reports whether all members that are ready were accepted within the batch
// window. A negative age comes from a clock that is ahead.
func (t *groupRun) fresh(now time.Time) bool {
	for _, s := range t.ready {
		if age := now.Sub(s.Message.CreatedAt); age < 0 || age >= batchWindow {
			return false
		}
	}
	return true
}

// sendReady sends the members that are ready. An error ends the run; asynq runs the
// task again.
func (h *Handler) sendReady(ctx context.Context, run *groupRun, now time.Time) error {
	first := run.ready[0].Message
	if err := h.paused(ctx, first, run.task()); err != nil {
		return err
	}
	if err := h.paced(ctx, first, run.task()); err != nil {
		return err
	}
	bulk, ok := h.providers.For(first).(sinch.Bulk)
	if !ok { // accepted under another SINCH_API
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
	if e, ok := errors.AsType[*holdError](err); ok {
		return h.holdGroup(ctx, run, e)
	}
	if err != nil {
		return err
	}
	defer permit.Release(ctx) // unless the request was made
	if err := h.extend(ctx, permit, run); err != nil {
		return err
	}
	return h.sendMany(ctx, run, bulk, media, permit)
}

// extend extends a permit to the members that are ready. Those without a permit are
// left in the group.
func (h *Handler) extend(ctx context.Context, permit *throttle.Permit, run *groupRun) error {
	soon, cancel := context.WithTimeout(ctx, h.spare(ctx))
	defer cancel()
	defer context.AfterFunc(h.open, cancel)()
	further := make([]*message.Message, 0, len(run.ready)-1)
	for _, seen := range run.ready[1:] {
		further = append(further, seen.Message)
	}
	granted, err := permit.ExtendTo(soon, further)
	if err != nil {
		return h.denied(err)
	}
	covered := run.ready[:1]
	for i, seen := range run.ready[1:] {
		if granted[i] {
			covered = append(covered, seen)
		}
	}
	run.ready = covered
	return h.blocked(ctx, run.ready[0].Message, run.task())
}

// spare is the time for which a request may wait for permits and still have time for
// the call.
func (h *Handler) spare(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return extendFor
	}
	return min(extendFor, (time.Until(end)-h.timing.Call)/2)
}

// separate removes messages from their group: from now on each has a task of its
// own.
func (h *Handler) separate(ctx context.Context, run *groupRun, members []ledger.Snapshot) {
	alone := h.changeEach(ctx, members, func(int) ledger.Change {
		return func(m *message.Message, _ time.Time) error { return m.Ungroup() }
	})
	if err := h.queue.DispatchMany(ctx, alone); err != nil {
		h.log.Warn().Err(err).Msg("tasks not enqueued; the sweeper will enqueue them")
	}
	for _, m := range alone {
		run.remove = append(run.remove, m.ID)
	}
}

// changeEach changes members of a group concurrently, and returns the changed ones.
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
	_ = all.Wait() // its functions return no errors
	changed := after[:0]
	for _, m := range after {
		if m != nil {
			changed = append(changed, m)
		}
	}
	return changed
}

// badGroupMedia ends or defers the members of a group with media that cannot be
// sent: all of them have the same media.
func (h *Handler) badGroupMedia(ctx context.Context, run *groupRun, why error) error {
	bad, ok := errors.AsType[*MediaError](why)
	if !ok {
		return later(pauseOnFault, "media not checked yet")
	}
	h.log.Info().Str("group", run.name).Str("media", bad.Detail).Bool("temporary", bad.Temporary).Msg("bad media")
	retry := sameDelays(h.mediaRetry(bad.RetryIn))
	for _, m := range h.changeEach(ctx, run.ready, func(i int) ledger.Change { return bad.change(run.ready[i].Message.Task, retry) }) {
		if m.Status.Waiting() {
			run.add = append(run.add, m)
		} else {
			run.remove = append(run.remove, m.ID)
		}
	}
	return nil
}

// replace applies the changes of the run to the group, and enqueues the task of its
// next generation.
func (t *groupRun) replace(ctx context.Context, h *Handler) error {
	t.replaced = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dispatchFor)
	defer cancel()
	groups, err := h.queue.Regroup(ctx, queue.GroupChange{Name: t.name, Lane: t.lane, Replace: t.generation, Remove: t.remove, Add: t.add})
	if err != nil {
		return later(pauseOnFault, "queue unavailable")
	}
	return h.enqueueGroup(ctx, groups[0])
}

// end replaces the task, unless the run has.
func (t *groupRun) end(ctx context.Context, h *Handler) error {
	if t.replaced {
		return nil
	}
	return t.replace(ctx, h)
}

// enqueueGroup enqueues the task of a group that has members.
func (h *Handler) enqueueGroup(ctx context.Context, g queue.Group) error {
	if g.Generation == 0 {
		return nil
	}
	if _, err := h.queue.Enqueue(ctx, g.Task()); err != nil {
		return later(pauseOnFault, "queue unavailable")
	}
	return nil
}
