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

// stuckAfter is the time after which the active task of a message that is due may be
// that of a crashed worker: asynq's lease expires no earlier.
const stuckAfter = 30 * time.Second

// checkWaiting enqueues or replaces the missing and stuck tasks of waiting messages,
// and ends messages that have expired.
func (s *Sweeper) checkWaiting(ctx context.Context, items []*item, now time.Time) error {
	single, groups := byGroup(s.expire(ctx, s.checkable(stillWaiting(items), now), now))
	for name, members := range groups {
		s.checkGroup(ctx, name, members, now)
	}
	return s.checkSingle(ctx, single, now)
}

// checkSingle enqueues or replaces the missing and stuck tasks of messages without a
// group.
func (s *Sweeper) checkSingle(ctx context.Context, waiting []*item, now time.Time) error {
	tasks := make([]queue.Task, len(waiting))
	for i, v := range waiting {
		tasks[i] = queue.MessageTask(v.message)
	}
	var missing, active, archived []*item
	for i, task := range s.queue.States(ctx, tasks) {
		v := waiting[i]
		switch {
		case task.Err != nil:
			v.err = task.Err
		case task.Value == queue.StateMissing:
			missing = append(missing, v)
		case task.Value == queue.StateArchived:
			archived = append(archived, v)
		case task.Value == queue.StateActive && waits(v.message, now) > stuckAfter:
			active = append(active, v)
		}
	}
	for _, v := range append(archived, s.abandoned(ctx, s.notParked(ctx, active))...) {
		if v.err = s.reissue(ctx, v.message); errors.Is(v.err, ledger.ErrUnavailable) {
			return v.err
		}
	}
	return s.enqueue(ctx, s.notParked(ctx, missing))
}

// waits is the time since a message was due; negative: until it is.
func waits(m *message.Message, now time.Time) time.Duration {
	return now.Sub(latest(m.NextAt, m.UpdatedAt))
}

// expire ends the messages that have expired and returns the items of the others. A
// worker does so when it runs their tasks, but these may wait in a long queue or be
// parked.
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

// abandoned returns the items whose active task has no live worker.
func (s *Sweeper) abandoned(ctx context.Context, items []*item) []*item {
	lanes := make(map[string]map[string]bool)
	var abandoned []*item
	for _, v := range items {
		lane := queue.LaneOf(v.message)
		if lanes[lane] == nil {
			if lanes[lane], v.err = s.queue.Running(ctx, lane); v.err != nil {
				continue
			}
		}
		if !lanes[lane][queue.MessageTask(v.message).ID] {
			abandoned = append(abandoned, v)
		}
	}
	return abandoned
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// enqueue enqueues missing tasks. The messages are read again after the states of
// the tasks: one that was sent in the meantime needs no task.
func (s *Sweeper) enqueue(ctx context.Context, missing []*item) error {
	found, err := s.read(ctx, missing)
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

// reissue replaces a task that will not run, unless another worker has done so.
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
