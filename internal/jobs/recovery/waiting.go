package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// stuckAfter its message was due, a task that is still run may have been left by
// a worker that died: no sooner is asynq's lease over.
const stuckAfter = 30 * time.Second

// checkWaiting makes sure that waiting messages have tasks that will come, and
// that none waits beyond its time.
func (s *Sweeper) checkWaiting(ctx context.Context, items []*item, now time.Time) error {
	single, groups := byGroup(s.expire(ctx, s.checkable(stillWaiting(items), now), now))
	for name, members := range groups {
		s.checkGroup(ctx, name, members, now)
	}
	return s.checkSingle(ctx, single, now)
}

// checkSingle makes sure that messages without a group have tasks that will come.
func (s *Sweeper) checkSingle(ctx context.Context, waiting []*item, now time.Time) error {
	tasks := make([]queue.Task, len(waiting))
	for i, v := range waiting {
		tasks[i] = queue.MessageTask(v.message)
	}
	var lost, run, buried []*item
	for i, task := range s.queue.States(ctx, tasks) {
		v := waiting[i]
		switch {
		case task.Err != nil:
			v.err = task.Err
		case task.Value == queue.StateGone:
			lost = append(lost, v)
		case task.Value == queue.StateBuried:
			buried = append(buried, v)
		case task.Value == queue.StateRuns && waits(v.message, now) > stuckAfter:
			run = append(run, v)
		}
	}
	for _, v := range append(buried, s.abandoned(ctx, run)...) {
		if v.err = s.reissue(ctx, v.message); errors.Is(v.err, ledger.ErrUnavailable) {
			return v.err
		}
	}
	return s.remake(ctx, s.notParked(ctx, lost))
}

// waits is how long a message has waited since it was due; negative: it will be.
func waits(m *message.Message, now time.Time) time.Duration {
	return now.Sub(latest(m.NextAt, m.UpdatedAt))
}

// expire ends the messages whose time is over and returns the items to the
// others. A worker does so when it comes to their tasks, but these may stand in
// a long queue, or behind a pause.
func (s *Sweeper) expire(ctx context.Context, items []*item, now time.Time) []*item {
	others := make([]*item, 0, len(items))
	var all sync.WaitGroup
	for _, v := range items {
		if !expired(v.message, now) {
			others = append(others, v)
			continue
		}
		all.Go(func() {
			_, v.err = s.ledger.Update(ctx, v.message.ID, (*message.Message).Expire)
		})
	}
	all.Wait()
	return others
}

func expired(m *message.Message, now time.Time) bool {
	return errors.Is(m.Ready(m.Task, now), message.ErrExpired)
}

// abandoned returns the items to those messages whose task no worker runs any more.
func (s *Sweeper) abandoned(ctx context.Context, items []*item) []*item {
	lanes := make(map[string]map[string]bool)
	var left []*item
	for _, v := range items {
		lane := queue.LaneOf(v.message)
		if lanes[lane] == nil {
			if lanes[lane], v.err = s.queue.Running(ctx, lane); v.err != nil {
				continue
			}
		}
		if !lanes[lane][queue.MessageTask(v.message).ID] {
			left = append(left, v)
		}
	}
	return left
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// remake makes tasks that are missing. The messages are read once more, after
// the tasks were looked for: one that was sent just now needs no task.
func (s *Sweeper) remake(ctx context.Context, lost []*item) error {
	found, err := s.read(ctx, lost)
	if err != nil {
		return err
	}
	waiting := stillWaiting(found)
	for i, task := range s.queue.DispatchEach(ctx, messagesOf(waiting)) {
		v := waiting[i]
		if v.err = task.Err; task.Value {
			s.recovered(TaskMissing, v.message)
		}
	}
	return nil
}

// reissue replaces a task that will not come, unless another worker has done so.
func (s *Sweeper) reissue(ctx context.Context, seen *message.Message) error {
	after, err := s.ledger.Update(ctx, seen.ID, func(m *message.Message, now time.Time) error {
		if m.Task != seen.Task {
			return message.ErrStaleTask
		}
		return m.Reissue(now)
	})
	if errors.Is(err, message.ErrNotWaiting) || errors.Is(err, message.ErrStaleTask) || errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reissue task: %w", err)
	}
	s.recovered(TaskStuck, after)
	return s.queue.Dispatch(ctx, after)
}

// checkable returns the messages whose last change is old enough, and keeps all
// of them on their lists.
func (s *Sweeper) checkable(items []*item, now time.Time) []*item {
	old := make([]*item, 0, len(items))
	for _, v := range items {
		v.again = now
		if s.ledger.Checkable(v.message, now) {
			old = append(old, v)
		}
	}
	return old
}

func stillWaiting(items []*item) []*item {
	waiting := make([]*item, 0, len(items))
	for _, v := range items {
		if v.message.Status.Waiting() {
			waiting = append(waiting, v)
		}
	}
	return waiting
}

func messagesOf(items []*item) []*message.Message {
	messages := make([]*message.Message, len(items))
	for i, v := range items {
		messages[i] = v.message
	}
	return messages
}
