package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// stuckAfter its message was due, a task that is still run may have been left by
// a worker that died: no sooner is asynq's lease over.
const stuckAfter = 30 * time.Second

// checkWaiting makes sure that waiting messages have tasks that will come, and
// that none waits beyond its time.
func (s *Sweeper) checkWaiting(ctx context.Context, visits []*visit, now time.Time) error {
	single, groups := byGroup(s.expire(ctx, s.checkable(stillWaiting(visits), now), now))
	for name, members := range groups {
		s.checkGroup(ctx, name, members, now)
	}
	return s.checkSingle(ctx, single, now)
}

// checkSingle makes sure that messages without a group have tasks that will come.
func (s *Sweeper) checkSingle(ctx context.Context, waiting []*visit, now time.Time) error {
	tasks := make([]task, len(waiting))
	for i, v := range waiting {
		tasks[i] = messageTask(v.message)
	}
	var lost, run, buried []*visit
	for i, task := range s.queue.states(ctx, tasks) {
		v := waiting[i]
		switch {
		case task.Err != nil:
			v.err = task.Err
		case task.Value == taskGone:
			lost = append(lost, v)
		case task.Value == taskBuried:
			buried = append(buried, v)
		case task.Value == taskRuns && waits(v.message, now) > stuckAfter:
			run = append(run, v)
		}
	}
	for _, v := range append(buried, s.abandoned(ctx, run)...) {
		if v.err = s.reissue(ctx, v.message); errors.Is(v.err, ledger.ErrUnavailable) {
			return v.err
		}
	}
	return s.remake(ctx, lost)
}

// waits is how long a message has waited since it was due; negative: it will be.
func waits(m *message.Message, now time.Time) time.Duration {
	return now.Sub(latest(m.NextAt, m.UpdatedAt))
}

// expire ends the messages whose time is over and returns the visits to the
// others. A worker does so when it comes to their tasks, but these may stand in
// a long queue, or behind a pause.
func (s *Sweeper) expire(ctx context.Context, visits []*visit, now time.Time) []*visit {
	others := make([]*visit, 0, len(visits))
	var all sync.WaitGroup
	for _, v := range visits {
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

// abandoned returns the visits to those messages whose task nobody runs any more.
func (s *Sweeper) abandoned(ctx context.Context, visits []*visit) []*visit {
	lanes := make(map[string]map[string]bool)
	var left []*visit
	for _, v := range visits {
		lane := laneOf(v.message)
		if lanes[lane] == nil {
			if lanes[lane], v.err = s.queue.running(ctx, lane); v.err != nil {
				continue
			}
		}
		if !lanes[lane][taskName(v.message)] {
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
func (s *Sweeper) remake(ctx context.Context, lost []*visit) error {
	found, err := s.read(ctx, lost)
	if err != nil {
		return err
	}
	waiting := stillWaiting(found)
	for i, task := range s.queue.dispatchMany(ctx, messagesOf(waiting)) {
		v := waiting[i]
		if v.err = task.Err; task.Value {
			s.healed(healedTask, v.message)
		}
	}
	return nil
}

// reissue replaces a task that will not come, unless somebody else has done so.
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
	s.healed(healedStuck, after)
	return s.queue.Dispatch(ctx, after)
}

// checkable returns the messages whose last change is old enough, and keeps all
// of them on their lists.
func (s *Sweeper) checkable(visits []*visit, now time.Time) []*visit {
	old := make([]*visit, 0, len(visits))
	for _, v := range visits {
		v.again = now
		if s.ledger.Checkable(v.message, now) {
			old = append(old, v)
		}
	}
	return old
}

func stillWaiting(visits []*visit) []*visit {
	waiting := make([]*visit, 0, len(visits))
	for _, v := range visits {
		if v.message.Status.Waiting() {
			waiting = append(waiting, v)
		}
	}
	return waiting
}

func messagesOf(visits []*visit) []*message.Message {
	messages := make([]*message.Message, len(visits))
	for i, v := range visits {
		messages[i] = v.message
	}
	return messages
}
