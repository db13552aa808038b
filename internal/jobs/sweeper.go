package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// What the sweeper heals; the names are used in metrics and log lines.
const (
	healedTask     = "task_missing"   // a waiting message without a task
	healedStuck    = "task_stuck"     // a task that was buried, or taken by a worker that died
	healedWorker   = "worker_lost"    // a call whose worker is gone
	healedNotBegun = "call_not_begun" // a call that was written down but never made
	healedFound    = "call_found"     // Sinch, asked later, had it
	healedAbsent   = "call_absent"    // Sinch, asked later, had it not
	healedResent   = "resent"         // sent again by policy
	healedRollback = "rollback"       // a call that Redis had lost
)

// The sweeper's rhythm.
const (
	sweepEvery   = time.Second
	lookAgain    = time.Second      // at a call whose worker lives
	waitingAgain = 15 * time.Second // at a waiting message whose task is there
	stuckAfter   = 30 * time.Second // a task that is run for so long after its message was due is dead: asynq's lease is over
	sweepBatch   = 500
	// untilSomebodyKnows is in how many years to look at a message again that
	// only a receipt or an operator can settle.
	untilSomebodyKnows = 100
	lockTTL            = 4 * time.Second // a sweeper that dies must not keep the others waiting
	lockKey            = ledger.DefaultPrefix + "sweeper"
	deadlineSlack      = time.Second // for what the kernel still holds when the deadline passes
)

// Sweeper heals what a crash, a lost Redis or a silent Sinch leaves behind.
// One of all replicas works at a time; two at once do no harm, since each
// change is a compare-and-set.
type Sweeper struct {
	ledger  *ledger.Ledger
	queue   *Queue
	worker  *Worker
	settler *settler
	locker  *redislock.Client
	metrics Metrics
	retry   message.Retry
	log     zerolog.Logger
	swept   func() // announces a finished round to tests
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var lock *redislock.Lock
	defer func() { s.release(lock) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.own(ctx)
		if lock = s.hold(ctx, lock); lock != nil {
			s.metrics.Swept(s.round(ctx))
		}
		s.swept()
	}
}

// hold keeps the lock or tries to get it; nil: another replica sweeps.
func (s *Sweeper) hold(ctx context.Context, lock *redislock.Lock) *redislock.Lock {
	if lock != nil && lock.Refresh(ctx, lockTTL, nil) == nil {
		return lock
	}
	lock, err := s.locker.Obtain(ctx, lockKey, lockTTL, nil)
	if err != nil {
		return nil
	}
	return lock
}

func (s *Sweeper) release(lock *redislock.Lock) {
	if lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := lock.Release(ctx); err != nil {
		s.log.Debug().Msg("sweeper lock had run out")
	}
}

// round works through both lists once.
func (s *Sweeper) round(ctx context.Context) error {
	s.settler.newRound()
	err := errors.Join(
		s.queue.publish(ctx),
		s.sweep(ctx, ledger.Calls, s.checkCall),
		s.sweep(ctx, ledger.Waiting, s.checkWaiting),
		s.continueCancels(ctx),
	)
	if err != nil {
		s.log.Warn().Err(err).Msg("sweep put off")
	}
	return err
}

// cancelShare is how much of a round goes to the messages of canceled batches.
const cancelShare = sweepEvery / 2

// continueCancels goes on canceling messages of canceled batches. None of them
// can begin a call, so that nothing is lost by taking time.
func (s *Sweeper) continueCancels(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cancelShare)
	defer cancel()
	if err := s.ledger.ContinueCancels(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// check looks at one message and says when to look again; zero: never.
type check func(ctx context.Context, m *message.Message, now time.Time) (again time.Time, err error)

func (s *Sweeper) sweep(ctx context.Context, list ledger.Queue, look check) error {
	due, now, err := s.ledger.Due(ctx, list, sweepBatch)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, d := range due {
		again, err := s.look(ctx, d.ID, look, now)
		if err != nil {
			return err
		}
		if err := s.ledger.CheckAgain(ctx, list, d, again); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// look looks at one message; one that is gone needs no further look.
func (s *Sweeper) look(ctx context.Context, id message.ID, look check, now time.Time) (time.Time, error) {
	m, err := s.ledger.Get(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("sweep: %w", err)
	default:
		return look(ctx, m, now)
	}
}

// checkWaiting makes sure that a waiting message has a task that will come.
func (s *Sweeper) checkWaiting(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	if !m.Status.Waiting() {
		return time.Time{}, nil
	}
	again := now.Add(waitingAgain)
	if m.NextAt.After(now) {
		again = m.NextAt.Add(waitingAgain)
	}
	missing, err := s.queue.dispatch(ctx, m)
	if err != nil {
		return again, err
	}
	if missing {
		s.healed(healedTask, m)
		return again, nil
	}
	state, err := s.queue.state(m)
	if err != nil {
		return again, err
	}
	overdue := now.Sub(latest(m.NextAt, m.UpdatedAt)) > stuckAfter
	if state == taskBuried || (state == taskRuns && overdue) {
		return again, s.reissue(ctx, m)
	}
	return again, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// reissue replaces a task that will not come.
func (s *Sweeper) reissue(ctx context.Context, m *message.Message) error {
	after, err := s.ledger.Update(ctx, m.ID, func(m *message.Message, now time.Time) error { return m.Reissue(now) })
	if errors.Is(err, message.ErrNotWaiting) || errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reissue task: %w", err)
	}
	s.healed(healedStuck, m)
	return s.queue.Dispatch(ctx, after)
}

// checkCall looks after a message with a call under way or unsettled.
func (s *Sweeper) checkCall(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	switch m.Status {
	case message.StatusSending:
		return s.checkSending(ctx, m, now)
	case message.StatusUnknown:
		again, err := s.settler.settle(ctx, m, now)
		if again.IsZero() {
			again = now.AddDate(untilSomebodyKnows, 0, 0) // it stays on the list, for whoever asks what is unknown
		}
		return again, err
	default:
		return time.Time{}, nil
	}
}

// checkSending tells a dead attempt from a living one.
func (s *Sweeper) checkSending(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	a := m.Current()
	if a == nil {
		return now.Add(lookAgain), nil
	}
	expired := now.After(a.Deadline.Add(s.settler.margin()))
	mine := a.Worker == s.worker.ID
	switch {
	case mine && s.worker.busy(m.ID):
		return now.Add(lookAgain), nil
	case mine && s.worker.doubted(m.ID, a.N):
		return now.Add(lookAgain), s.notBegun(ctx, m.ID, a.N)
	case !expired:
		lives, err := s.ledger.Lives(ctx, a.Worker)
		if err != nil || lives {
			return now.Add(lookAgain), err
		}
	}
	o := message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome, Detail: "worker lost during the call"}
	_, err := s.conclude(ctx, m.ID, a.N, o)
	if err != nil {
		return now.Add(lookAgain), err
	}
	s.healed(healedWorker, m)
	return now, nil
}

// conclude writes an outcome down and makes the task that may follow from it.
func (s *Sweeper) conclude(ctx context.Context, id message.ID, n int, o message.Outcome) (*message.Message, error) {
	return s.settler.change(ctx, id, func(m *message.Message, now time.Time) error {
		return m.Conclude(n, o, s.retry, now)
	})
}

// own settles begins of this process whose reply was lost: it made no call.
func (s *Sweeper) own(ctx context.Context) {
	for id, n := range s.worker.doubts(time.Now()) {
		if s.worker.busy(id) {
			continue
		}
		if err := s.notBegun(ctx, id, n); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			s.worker.doubt(id, n, time.Now().Add(doubtFor))
		}
	}
}

// notBegun takes back attempt n, if it was written down after all. Others may
// have marked it unknown meanwhile.
func (s *Sweeper) notBegun(ctx context.Context, id message.ID, n int) error {
	healed := false
	m, err := s.settler.change(ctx, id, func(m *message.Message, now time.Time) error {
		healed = !s.worker.busy(id) && slices.ContainsFunc(m.Calls, func(a message.Attempt) bool {
			return a.N == n && a.Worker == s.worker.ID && a.State != message.AttemptAccepted
		})
		if !healed {
			return nil
		}
		o := message.Outcome{Kind: message.OutcomeNotBegun, Code: message.ReasonInternal, Detail: "no call was made"}
		return m.Conclude(n, o, s.retry, now)
	})
	if err == nil && healed {
		s.healed(healedNotBegun, m)
	}
	return err
}

func (s *Sweeper) healed(kind string, m *message.Message) {
	s.metrics.Healed(kind)
	s.log.Info().Str("message_id", string(m.ID)).Str("kind", kind).Str("status", string(m.Status)).Msg("healed")
}

// newSweeper puts a sweeper together.
func newSweeper(rdb redis.UniversalClient, s Sweeper) *Sweeper {
	s.locker = redislock.New(rdb)
	if s.swept == nil {
		s.swept = func() {}
	}
	return &s
}
