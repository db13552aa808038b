package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/jobs/recovery"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// waitingList is the list of the lane of a message.
func waitingList(m *message.Message) string {
	return ledger.DefaultPrefix + string(ledger.Waiting) + ":" + string(m.Content.Priority)
}

// place sets since when messages are due.
func (b *bench) place(t *testing.T, at time.Time, messages ...*message.Message) {
	t.Helper()
	pipe := b.rdb.Pipeline()
	for _, m := range messages {
		pipe.ZAdd(t.Context(), waitingList(m), redis.Z{Score: float64(at.UnixMilli()), Member: m.ID.Packed()})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// listed reports whether a message is on the list of its lane.
func (b *bench) listed(t *testing.T, m *message.Message) bool {
	t.Helper()
	return b.rdb.ZScore(t.Context(), waitingList(m), m.ID.Packed()).Err() == nil
}

// task is the state of a message's task.
func (b *bench) task(t *testing.T, m *message.Message) queue.TaskState {
	t.Helper()
	state, err := b.queue.State(t.Context(), queue.MessageTask(m))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// round runs rounds of the sweeper until one reaches the end of its lists: a part
// of a round ends early on a busy machine.
func (b *bench) round(t *testing.T, s *recovery.Sweeper) {
	t.Helper()
	eventually(t, func() bool {
		err := s.Round(t.Context())
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// A newly accepted message without a task does not wait behind
// all those that have theirs.
func TestBacklogDoesNotDelayAFreshMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	backlog := b.acceptBatch(t, 2*waitingEnd+500)
	b.place(t, time.Now().Add(-time.Hour), backlog...)
	fresh, oldest := b.accept(t), b.accept(t, func(c *message.Content) { c.Priority = message.Bulk })
	b.place(t, time.Now().Add(-time.Second), fresh)
	b.place(t, time.Now().Add(-2*time.Hour), oldest)
	s := NewRunner(b.opts).sweeper
	_ = s.Round(t.Context()) // its first messages are checked, also when it ends early
	if b.task(t, fresh) != queue.StatePending || b.metrics.of(recovery.TaskMissing) != 1 {
		t.Errorf("task in state %d, %d recovered", b.task(t, fresh), b.metrics.of(recovery.TaskMissing))
	}
	eventually(t, func() bool {
		b.round(t, s)
		return b.task(t, oldest) == queue.StatePending
	})
	if n := b.metrics.of(recovery.TaskMissing); n != 2 {
		t.Errorf("%d recovered with the oldest of the backlog", n)
	}
}

// A failed check of one message does not prevent the checks of others.
func TestSweeperGoesOnAfterOneMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unreadable, unmade, lost := b.accept(t), b.accept(t, func(c *message.Content) { c.Priority = message.High }), b.accept(t)
	for _, err := range []error{
		b.rdb.Set(t.Context(), ledger.DefaultPrefix+unreadable.ID.Identity(), "1:x:\xff", 0).Err(),
		b.rdb.Set(t.Context(), "asynq:{high}:pending", "no list", 0).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.place(t, time.Now().Add(-time.Minute), unreadable, unmade, lost)
	if err := NewRunner(b.opts).sweeper.Round(t.Context()); err == nil {
		t.Error("the round returns no error")
	}
	if b.task(t, lost) != queue.StatePending {
		t.Error("the message behind them is not recovered")
	}
	for _, m := range []*message.Message{unreadable, unmade} {
		if !b.listed(t, m) {
			t.Errorf("%s is not checked again", m.ID)
		}
	}
}

// TestTaskRecovery: whether a task is replaced depends on its state, and on how long its
// message waits, whether it is replaced.
func TestTaskRecovery(t *testing.T) {
	t.Parallel()
	const fresh, old = time.Second, 2 * stuckAfter
	for name, c := range map[string]struct {
		state    string
		lease    time.Duration // of a task that is run
		waits    time.Duration
		replaced bool
	}{
		"pending":                 {"pending", 0, old, false},
		"to be retried":           {"retry", 0, old, false},
		"just dequeued":           {"active", 30 * time.Second, fresh, false},
		"dequeued from a backlog": {"active", 30 * time.Second, old, false},
		"its worker died":         {"active", -time.Second, old, true},
		"its worker died, unseen": {"active", 0, old, true},
		"archived":                {"archived", 0, fresh, true},
		"archived, waiting":       {"archived", 0, old, true},
		"completed":               {"completed", 0, fresh, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, err := b.ledger.Accept(t.Context(), ledger.Request{
				Scope: message.Scope{Tenant: "shop"}, From: "+12065550000", Now: time.Now().Add(-c.waits).UTC().Truncate(time.Millisecond),
				Content: message.Content{To: "+12065551212", Text: "hello", Priority: message.Normal},
			})
			if err != nil {
				t.Fatal(err)
			}
			m := a.Message
			b.dispatch(t, m)
			if err := b.rdb.HSet(t.Context(), "asynq:{normal}:t:"+queue.MessageTask(m).ID, "state", c.state).Err(); err != nil {
				t.Fatal(err)
			}
			if c.lease != 0 { // as asynq dequeues a task
				b.rdb.LMove(t.Context(), "asynq:{normal}:pending", "asynq:{normal}:active", "RIGHT", "LEFT")
				b.rdb.ZAdd(t.Context(), "asynq:{normal}:lease", redis.Z{Score: float64(time.Now().Add(c.lease).Unix()), Member: queue.MessageTask(m).ID})
			}
			b.place(t, time.Now().Add(-time.Second), m)
			b.round(t, NewRunner(b.opts).sweeper)
			after, err := b.ledger.Get(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			if replaced := after.Task == 1 && b.metrics.of(recovery.TaskStuck) == 1; replaced != c.replaced {
				t.Errorf("task %d, %d recovered", after.Task, b.metrics.of(recovery.TaskStuck))
			}
			if c.replaced && b.task(t, after) != queue.StatePending {
				t.Error("the new task does not come")
			}
		})
	}
}

// A message whose task is in a long queue expires in time.
func TestSweeperExpiresWhatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	over := b.accept(t, func(c *message.Content) { c.ExpiresAt = time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond) })
	open := b.accept(t, func(c *message.Content) { c.ExpiresAt = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond) })
	b.dispatch(t, over)
	b.dispatch(t, open)
	b.place(t, time.Now().Add(-time.Second), over, open)
	b.round(t, NewRunner(b.opts).sweeper)
	b.await(t, over.ID, message.StatusExpired)
	b.await(t, open.ID, message.StatusQueued)
	if b.listed(t, over) {
		t.Error("the expired one is checked again")
	}
	if !b.listed(t, open) {
		t.Error("the one that waits is not checked again")
	}
	b.run(t)
	b.await(t, open.ID, message.StatusSent)
	if b.sinch.count(over.ID) != 0 {
		t.Error("the expired one was called")
	}
}
