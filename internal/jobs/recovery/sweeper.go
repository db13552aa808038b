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
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/telemetry"
)

// The sweeper's rhythm.
const (
	sweepEvery     = time.Second
	recheckAfter   = time.Second     // a call whose worker lives
	recheckBlocked = 5 * time.Second // after a check that failed
	// neverAgain is in how many years to check a message again that only a receipt
	// or an operator can resolve.
	neverAgain    = 100
	lockTTL       = 4 * time.Second // a sweeper that dies must not keep the others waiting
	lockKey       = ledger.DefaultPrefix + "sweeper"
	deadlineSlack = time.Second // for what the kernel still holds when the deadline passes
)

// Sweeper recovers messages. One of all replicas sweeps at a time; two at once
// do no harm, since each change is a compare-and-set.
type Sweeper struct {
	ledger     *ledger.Ledger
	queue      *queue.Queue
	pauses     *pause.Store
	worker     *dispatch.Worker
	reconciler *reconciler
	locker     *redislock.Client
	metrics    Metrics
	retry      message.Retry
	log        zerolog.Logger
	sweeps     *telemetry.StateLog
	lookups    *telemetry.StateLog
}

// NewSweeper makes a Sweeper.
func NewSweeper(o Options) *Sweeper {
	return &Sweeper{
		ledger: o.Ledger, queue: o.Queue, pauses: o.Pauses, worker: o.Worker, reconciler: o.reconciler(), locker: redislock.New(o.Redis),
		metrics: o.Metrics, retry: o.Retry, log: o.Log,
		sweeps:  telemetry.NewStateLog(o.Log, "sweeps fail", "sweeps succeed again"),
		lookups: telemetry.NewStateLog(o.Log, "unknown outcomes are not reconciled", "unknown outcomes are reconciled again"),
	}
}

// Run sweeps until ctx ends. Unknown outcomes are reconciled beside the rounds,
// since lookups at Sinch may take long.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var lock *redislock.Lock
	defer func() { s.release(lock) }()
	turns := make(chan struct{})
	var reconciling sync.WaitGroup
	reconciling.Go(func() {
		for range turns {
			s.Reconcile(ctx)
		}
	})
	defer reconciling.Wait()
	defer close(turns)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.resolveOwn(ctx)
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
		s.resume(ctx),
		s.sweepFor(ctx, listShare, list{name: ledger.Waiting, end: waitingEnd, together: waitingTogether, check: s.checkWaiting}),
		s.sweepFor(ctx, listShare, list{name: ledger.Calls, end: callsEnd, together: callsTogether, check: each(s.checkSending)}),
		s.continueCancels(ctx),
	)
	if ctx.Err() == nil {
		s.sweeps.Report(err)
	}
	return err
}

// Reconcile works once through the messages of unknown outcome.
func (s *Sweeper) Reconcile(ctx context.Context) {
	if now, err := s.ledger.Now(ctx); err == nil {
		s.reconciler.absences.observe(now)
	}
	q := newLookupSession()
	one := func(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
		return s.checkUnknown(ctx, q, m, now)
	}
	err := s.sweep(ctx, list{name: ledger.Unknown, end: unknownEnd, together: 2 * unknownEnd, check: each(one)})
	if ctx.Err() == nil {
		s.lookups.Report(err)
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

// item is one message of a list, with the result of its check.
type item struct {
	due     ledger.Due
	message *message.Message
	again   time.Time // when to check again; zero: never
	err     error     // of the check
}

// check makes some items. Its error is one that ends the round.
type check func(ctx context.Context, items []*item, now time.Time) error

// list is what a round checks of a list, and how.
type list struct {
	name     ledger.Queue
	end      int // messages from either end of what is due
	together int // items that are made together
	check    check
}

// Checks of waiting messages are cheap: 2,000 a second are enough for 120,000
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

// sweep checks the due messages of a list, some at a time. A check that fails
// blocks no others; but without the ledger no message can be read or changed.
func (s *Sweeper) sweep(ctx context.Context, l list) error {
	due, now, err := s.ledger.Due(ctx, l.name, l.end)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var failed error
	for some := range slices.Chunk(due, l.together) {
		items := make([]*item, len(some))
		for i, d := range some {
			items[i] = &item{due: d}
		}
		if err := s.check(ctx, l, items, now); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		for _, v := range items {
			if v.err != nil && failed == nil { // one of them is reported
				failed = fmt.Errorf("sweep: message %s: %w", v.due.ID, v.err)
			}
		}
	}
	return failed
}

// check checks messages and records when to check them again.
func (s *Sweeper) check(ctx context.Context, l list, items []*item, now time.Time) error {
	found, err := s.read(ctx, items)
	if err != nil {
		return err
	}
	if err := l.check(ctx, found, now); err != nil {
		return err
	}
	checks := make([]ledger.Recheck, len(items))
	for i, v := range items {
		if v.err != nil {
			v.again = now.Add(recheckBlocked)
		}
		checks[i] = ledger.Recheck{Due: v.due, At: v.again}
	}
	return s.ledger.CheckAgain(ctx, l.name, checks)
}

// read reads the messages of items, and returns the items to those that it
// found; those that are gone need no further check.
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
func each(one func(ctx context.Context, m *message.Message, now time.Time) (again time.Time, err error)) check {
	return func(ctx context.Context, items []*item, now time.Time) error {
		began := time.Now()
		some, ctx := errgroup.WithContext(ctx)
		some.SetLimit(itemsAtOnce)
		for _, v := range items {
			some.Go(func() error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				v.again, v.err = one(ctx, v.message, now.Add(time.Since(began)))
				if errors.Is(v.err, ledger.ErrUnavailable) {
					return v.err
				}
				return nil
			})
		}
		return some.Wait()
	}
}

// checkUnknown reconciles a message of unknown outcome.
func (s *Sweeper) checkUnknown(ctx context.Context, q *lookupSession, m *message.Message, now time.Time) (time.Time, error) {
	if m.Status != message.StatusUnknown {
		return time.Time{}, nil
	}
	again, err := s.reconciler.reconcile(ctx, q, m, now)
	if again.IsZero() && !m.Scope.Test { // those of test messages expire
		again = now.AddDate(neverAgain, 0, 0) // it stays on the list, which callers can read
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
		lives, err := s.ledger.Alive(ctx, a.Worker)
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

// resolveOwn resolves begins of this process whose reply was lost: it made no call.
func (s *Sweeper) resolveOwn(ctx context.Context) {
	for id, n := range s.worker.Unconfirmed(time.Now()) {
		if s.worker.Busy(id) {
			continue
		}
		if err := s.notBegun(ctx, id, n); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			s.worker.AddUnconfirmed(id, n, time.Now().Add(dispatch.UnconfirmedFor))
		}
	}
}

// notBegun takes back attempt n, if it was recorded after all. Others may
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
