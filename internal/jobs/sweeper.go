package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

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
	sweepEvery    = time.Second
	lookAgain     = time.Second     // at a call whose worker lives
	hinderedAgain = 5 * time.Second // at a message that something hinders from being looked at
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

// Run sweeps until ctx ends. What is unknown is settled beside the rounds, since
// Sinch is asked, which may not answer for long.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var lock *redislock.Lock
	defer func() { s.release(lock) }()
	turns := make(chan struct{})
	var settling sync.WaitGroup
	settling.Go(func() {
		for range turns {
			s.settleUnknown(ctx)
		}
	})
	defer settling.Wait()
	defer close(turns)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.own(ctx)
		if lock = s.hold(ctx, lock); lock != nil {
			s.metrics.Swept(s.round(ctx))
			select {
			case turns <- struct{}{}:
			default: // still asking
			}
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

// How much of a round its parts have, so that it is over long before the lock
// runs out. What they do not come to stays due.
const (
	listShare   = sweepEvery
	cancelShare = sweepEvery / 2 // for the messages of canceled batches
)

// round works once through what waits and what is being sent.
func (s *Sweeper) round(ctx context.Context) error {
	err := errors.Join(
		s.queue.publish(ctx),
		s.sweepFor(ctx, listShare, list{name: ledger.Waiting, end: waitingEnd, together: waitingTogether, look: s.checkWaiting}),
		s.sweepFor(ctx, listShare, list{name: ledger.Calls, end: callsEnd, together: callsTogether, look: each(s.checkSending)}),
		s.continueCancels(ctx),
	)
	if err != nil {
		s.log.Warn().Err(err).Msg("sweep put off")
	}
	return err
}

// settleUnknown works once through what is unknown.
func (s *Sweeper) settleUnknown(ctx context.Context) {
	if now, err := s.ledger.Now(ctx); err == nil {
		s.settler.absences.observe(now)
	}
	q := newInquiry()
	look := func(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
		return s.checkUnknown(ctx, q, m, now)
	}
	err := s.sweep(ctx, list{name: ledger.Unknown, end: unknownEnd, together: 2 * unknownEnd, look: each(look)})
	if err != nil && ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("settling put off")
	}
}

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

// visit is the sweeper's look at one message.
type visit struct {
	due     ledger.Due
	message *message.Message
	again   time.Time // when to look again; zero: never
	err     error     // what hindered it
}

// check makes some visits. Its error is one that ends the round.
type check func(ctx context.Context, visits []*visit, now time.Time) error

// list is what a round looks at of a list, and how.
type list struct {
	name     ledger.Queue
	end      int // messages from either end of what is due
	together int // visits that are made together
	look     check
}

// Looks at waiting messages are cheap: 2,000 a second are enough for 120,000
// messages once a minute. A call is looked at when it takes long, and what is
// unknown can be a question to Sinch.
const (
	waitingEnd      = 1000
	waitingTogether = 250
	callsEnd        = 500
	callsTogether   = 100
	unknownEnd      = 250
	visitsAtOnce    = 8 // of those that are made one by one
)

// sweepFor sweeps for as long as a list's share of a round is.
func (s *Sweeper) sweepFor(ctx context.Context, share time.Duration, l list) error {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return s.sweep(ctx, l)
}

// sweep looks at what is due of a list, some of it at a time. What hinders a
// visit does not hinder others; but without the ledger nothing can be seen or
// put down.
func (s *Sweeper) sweep(ctx context.Context, l list) error {
	due, now, err := s.ledger.Due(ctx, l.name, l.end)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var hindered error
	for some := range slices.Chunk(due, l.together) {
		visits := make([]*visit, len(some))
		for i, d := range some {
			visits[i] = &visit{due: d}
		}
		if err := s.visit(ctx, l, visits, now); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		for _, v := range visits {
			if v.err != nil && hindered == nil { // one of them is told
				hindered = fmt.Errorf("sweep: message %s: %w", v.due.ID, v.err)
			}
		}
	}
	return hindered
}

// visit looks at messages and puts down when to look again.
func (s *Sweeper) visit(ctx context.Context, l list, visits []*visit, now time.Time) error {
	found, err := s.read(ctx, visits)
	if err != nil {
		return err
	}
	if err := l.look(ctx, found, now); err != nil {
		return err
	}
	looks := make([]ledger.Look, len(visits))
	for i, v := range visits {
		if v.err != nil {
			v.again = now.Add(hinderedAgain)
		}
		looks[i] = ledger.Look{Due: v.due, Again: v.again}
	}
	return s.ledger.CheckAgain(ctx, l.name, looks)
}

// read reads the messages of visits, and returns the visits to those that it
// found; those that are gone need no further look.
func (s *Sweeper) read(ctx context.Context, visits []*visit) ([]*visit, error) {
	ids := make([]message.ID, len(visits))
	for i, v := range visits {
		ids[i] = v.due.ID
	}
	records, err := s.ledger.ReadEach(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make([]*visit, 0, len(visits))
	for i, got := range records {
		v := visits[i]
		switch {
		case got.Err == nil:
			v.message = got.Value.Message
			found = append(found, v)
		case !errors.Is(got.Err, ledger.ErrNotFound):
			v.err = got.Err
		}
	}
	return found, nil
}

// each makes visits one by one, a few at a time.
func each(look func(ctx context.Context, m *message.Message, now time.Time) (again time.Time, err error)) check {
	return func(ctx context.Context, visits []*visit, now time.Time) error {
		began := time.Now()
		some, ctx := errgroup.WithContext(ctx)
		some.SetLimit(visitsAtOnce)
		for _, v := range visits {
			some.Go(func() error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				v.again, v.err = look(ctx, v.message, now.Add(time.Since(began)))
				if errors.Is(v.err, ledger.ErrUnavailable) {
					return v.err
				}
				return nil
			})
		}
		return some.Wait()
	}
}

// checkUnknown looks after a message of unknown outcome.
func (s *Sweeper) checkUnknown(ctx context.Context, q *inquiry, m *message.Message, now time.Time) (time.Time, error) {
	if m.Status != message.StatusUnknown {
		return time.Time{}, nil
	}
	again, err := s.settler.settle(ctx, q, m, now)
	if again.IsZero() {
		again = now.AddDate(untilSomebodyKnows, 0, 0) // it stays on the list, for whoever asks what is unknown
	}
	return again, err
}

// checkSending tells a dead attempt from a living one.
func (s *Sweeper) checkSending(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
	if m.Status != message.StatusSending {
		return time.Time{}, nil
	}
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
	_, err := s.settler.heal(ctx, healedWorker, m.ID, func(m *message.Message, now time.Time) error {
		o := message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome, Detail: "worker lost during the call"}
		return m.Conclude(a.N, o, s.retry, now)
	})
	return now.Add(lookAgain), err
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
