package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// The sweeper's rhythm.
const (
	sweepEvery    = time.Second
	recheckAfter  = time.Second     // at a call whose worker lives
	hinderedAgain = 5 * time.Second // at a message that something hinders from being looked at
	// untilSomebodyKnows is in how many years to look at a message again that
	// only a receipt or an operator can settle.
	untilSomebodyKnows = 100
	lockTTL            = 4 * time.Second // a sweeper that dies must not keep the others waiting
	lockKey            = ledger.DefaultPrefix + "sweeper"
	deadlineSlack      = time.Second // for what the kernel still holds when the deadline passes
)

// Sweeper recovers messages. One of all replicas sweeps at a time; two at once
// do no harm, since each change is a compare-and-set.
type Sweeper struct {
	ledger     *ledger.Ledger
	queue      *queue.Queue
	worker     *dispatch.Worker
	reconciler *reconciler
	locker     *redislock.Client
	metrics    Metrics
	retry      message.Retry
	log        zerolog.Logger
}

// NewSweeper makes a Sweeper.
func NewSweeper(o Options) *Sweeper {
	return &Sweeper{
		ledger: o.Ledger, queue: o.Queue, worker: o.Worker, reconciler: o.reconciler(), locker: redislock.New(o.Redis),
		metrics: o.Metrics, retry: o.Retry, log: o.Log,
	}
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
			s.Reconcile(ctx)
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
			s.metrics.Swept(s.Round(ctx))
			select {
			case turns <- struct{}{}:
			default: // still asking
			}
		}
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

// Round works once through the messages that wait and those that are being sent.
func (s *Sweeper) Round(ctx context.Context) error {
	err := errors.Join(
		s.queue.PublishLanes(ctx),
		s.sweepFor(ctx, listShare, list{name: ledger.Waiting, end: waitingEnd, together: waitingTogether, look: s.checkWaiting}),
		s.sweepFor(ctx, listShare, list{name: ledger.Calls, end: callsEnd, together: callsTogether, look: each(s.checkSending)}),
		s.continueCancels(ctx),
	)
	if err != nil {
		s.log.Warn().Err(err).Msg("sweep put off")
	}
	return err
}

// Reconcile works once through the messages of unknown outcome.
func (s *Sweeper) Reconcile(ctx context.Context) {
	if now, err := s.ledger.Now(ctx); err == nil {
		s.reconciler.absences.observe(now)
	}
	q := newLookupSession()
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

// item is the sweeper's look at one message.
type item struct {
	due     ledger.Due
	message *message.Message
	again   time.Time // when to look again; zero: never
	err     error     // what hindered it
}

// check makes some items. Its error is one that ends the round.
type check func(ctx context.Context, items []*item, now time.Time) error

// list is what a round looks at of a list, and how.
type list struct {
	name     ledger.Queue
	end      int // messages from either end of what is due
	together int // items that are made together
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
	itemsAtOnce     = 8 // of those that are made one by one
)

// sweepFor sweeps for as long as a list's share of a round is.
func (s *Sweeper) sweepFor(ctx context.Context, share time.Duration, l list) error {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return s.sweep(ctx, l)
}

// sweep looks at what is due of a list, some of it at a time. What hinders a
// item does not hinder others; but without the ledger nothing can be seen or
// put down.
func (s *Sweeper) sweep(ctx context.Context, l list) error {
	due, now, err := s.ledger.Due(ctx, l.name, l.end)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var hindered error
	for some := range slices.Chunk(due, l.together) {
		items := make([]*item, len(some))
		for i, d := range some {
			items[i] = &item{due: d}
		}
		if err := s.check(ctx, l, items, now); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		for _, v := range items {
			if v.err != nil && hindered == nil { // one of them is told
				hindered = fmt.Errorf("sweep: message %s: %w", v.due.ID, v.err)
			}
		}
	}
	return hindered
}

// check checks messages and records when to check them again.
func (s *Sweeper) check(ctx context.Context, l list, items []*item, now time.Time) error {
	found, err := s.read(ctx, items)
	if err != nil {
		return err
	}
	if err := l.look(ctx, found, now); err != nil {
		return err
	}
	looks := make([]ledger.Look, len(items))
	for i, v := range items {
		if v.err != nil {
			v.again = now.Add(hinderedAgain)
		}
		looks[i] = ledger.Look{Due: v.due, Again: v.again}
	}
	return s.ledger.CheckAgain(ctx, l.name, looks)
}

// read reads the messages of items, and returns the items to those that it
// found; those that are gone need no further look.
func (s *Sweeper) read(ctx context.Context, items []*item) ([]*item, error) {
	ids := make([]message.ID, len(items))
	for i, v := range items {
		ids[i] = v.due.ID
	}
	records, err := s.ledger.ReadEach(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make([]*item, 0, len(items))
	for i, got := range records {
		v := items[i]
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

// each makes items one by one, a few at a time.
func each(look func(ctx context.Context, m *message.Message, now time.Time) (again time.Time, err error)) check {
	return func(ctx context.Context, items []*item, now time.Time) error {
		began := time.Now()
		some, ctx := errgroup.WithContext(ctx)
		some.SetLimit(itemsAtOnce)
		for _, v := range items {
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
func (s *Sweeper) checkUnknown(ctx context.Context, q *lookupSession, m *message.Message, now time.Time) (time.Time, error) {
	if m.Status != message.StatusUnknown {
		return time.Time{}, nil
	}
	again, err := s.reconciler.settle(ctx, q, m, now)
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
		return now.Add(recheckAfter), nil
	}
	expired := now.After(a.Deadline.Add(s.reconciler.margin()))
	mine := a.Worker == s.worker.ID
	switch {
	case mine && s.worker.Busy(m.ID):
		return now.Add(recheckAfter), nil
	case mine && s.worker.IsUnconfirmed(m.ID, a.N):
		return now.Add(recheckAfter), s.notBegun(ctx, m.ID, a.N)
	case !expired:
		lives, err := s.ledger.Lives(ctx, a.Worker)
		if err != nil || lives {
			return now.Add(recheckAfter), err
		}
	}
	_, err := s.reconciler.recover(ctx, WorkerLost, m.ID, func(m *message.Message, now time.Time) error {
		o := message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome, Detail: "worker lost during the call"}
		return m.Conclude(a.N, o, s.retry, now)
	})
	return now.Add(recheckAfter), err
}

// own settles begins of this process whose reply was lost: it made no call.
func (s *Sweeper) own(ctx context.Context) {
	for id, n := range s.worker.Unconfirmed(time.Now()) {
		if s.worker.Busy(id) {
			continue
		}
		if err := s.notBegun(ctx, id, n); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			s.worker.AddUnconfirmed(id, n, time.Now().Add(dispatch.UnconfirmedFor))
		}
	}
}

// notBegun takes back attempt n, if it was written down after all. Others may
// have marked it unknown meanwhile.
func (s *Sweeper) notBegun(ctx context.Context, id message.ID, n int) error {
	recovered := false
	m, err := s.reconciler.change(ctx, id, func(m *message.Message, now time.Time) error {
		recovered = !s.worker.Busy(id) && slices.ContainsFunc(m.Calls, func(a message.Attempt) bool {
			return a.N == n && a.Worker == s.worker.ID && a.State != message.AttemptAccepted
		})
		if !recovered {
			return nil
		}
		o := message.Outcome{Kind: message.OutcomeNotBegun, Code: message.ReasonInternal, Detail: "no call was made"}
		return m.Conclude(n, o, s.retry, now)
	})
	if err == nil && recovered {
		s.recovered(CallNotBegun, m)
	}
	return err
}

func (s *Sweeper) recovered(kind string, m *message.Message) {
	s.metrics.Recovered(kind)
	s.log.Info().Str("message_id", string(m.ID)).Str("kind", kind).Str("status", string(m.Status)).Msg("recovered")
}
