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

	"mmsdispatch/internal/background"
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
	recheckAfter   = time.Second     // of a call whose worker is alive
	recheckBlocked = 5 * time.Second // after a check that failed
	// neverAgain is the number of years until the next check of a message that only a
	// receipt or an operator can resolve.
	neverAgain    = 100
	lockTTL       = 4 * time.Second // bounds the time without a sweeper after a crash
	lockKey       = ledger.DefaultPrefix + "sweeper"
	deadlineSlack = time.Second // for bytes in the kernel's buffers when the deadline passes
)

// Sweeper recovers messages. One replica sweeps at a time; two concurrent sweepers
// are safe, since each change is a compare-and-set.
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
	releasing  *telemetry.StateLog
	content    *ledger.ContentSearch
	searches   *telemetry.StateLog // of content
}

// NewSweeper creates a Sweeper.
func NewSweeper(o Options) *Sweeper {
	return &Sweeper{
		ledger: o.Ledger, queue: o.Queue, pauses: o.Pauses, worker: o.Worker, reconciler: o.reconciler(), locker: redislock.New(o.Redis),
		metrics: o.Metrics, retry: o.Retry, log: o.Log,
		sweeps:  telemetry.NewStateLog(o.Log, "sweeps fail", "sweeps succeed again"),
		lookups: telemetry.NewStateLog(o.Log, "unknown outcomes are not reconciled", "unknown outcomes are reconciled again"),
		releasing: telemetry.NewStateLog(o.Log, "tasks of batches with a pace are not released",
			"tasks of batches with a pace are released again"),
		content: o.Ledger.NewContentSearch(),
		searches: telemetry.NewStateLog(o.Log, "older messages are not searched for content to drop",
			"older messages are searched for content to drop again"),
	}
}

// Run sweeps until ctx ends. Unknown outcomes are reconciled beside the rounds,
// since lookups at Sinch may take long.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var lock *redislock.Lock
	defer func() { s.release(lock) }()
	rounds, paced := make(chan struct{}), newReleases(s)
	var beside sync.WaitGroup
	beside.Go(func() {
		defer background.ReportPanic(ctx)
		for range rounds {
			s.Reconcile(ctx)
		}
	})
	beside.Go(func() {
		defer background.ReportPanic(ctx)
		paced.run(ctx)
	})
	defer beside.Wait()
	defer close(rounds)
	defer close(paced.rounds)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.resolveOwn(ctx)
		if lock = s.lock(ctx, lock); lock != nil {
			s.metrics.Swept(s.Round(ctx))
			signal(rounds)
			signal(paced.rounds)
		}
	}
}

// signal begins a round, unless the last one is still running.
func signal(rounds chan<- struct{}) {
	select {
	case rounds <- struct{}{}:
	default:
	}
}

// lock refreshes the lock or tries to obtain it; nil: another replica sweeps.
func (s *Sweeper) lock(ctx context.Context, lock *redislock.Lock) *redislock.Lock {
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

// The time limits of the parts of a round, which ends long before the lock expires.
// Messages that a part does not reach stay due.
const (
	listShare   = sweepEvery
	cancelShare = sweepEvery / 2 // for the messages of canceled batches
)

// Round checks the messages that wait and those that are being sent once.
func (s *Sweeper) Round(ctx context.Context) error {
	err := errors.Join(
		s.queue.PublishLanes(ctx),
		s.resume(ctx),
		s.sweepFor(ctx, listShare, list{name: ledger.Waiting, end: waitingEnd, together: waitingTogether, check: s.checkWaiting}),
		s.sweepFor(ctx, listShare, list{name: ledger.Calls, end: callsEnd, together: callsTogether, check: each(s.checkSending)}),
		s.continueCancels(ctx),
		s.dropContent(ctx),
	)
	if ctx.Err() == nil {
		s.sweeps.Report(err)
	}
	return err
}

// Reconcile checks the messages of unknown outcome once.
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

// continueCancels cancels further messages of canceled batches. It is not urgent:
// none of them can begin a call.
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
	again   time.Time // of the next check; zero: never
	err     error     // of the check
}

// check checks items. An error ends the round.
type check func(ctx context.Context, items []*item, now time.Time) error

// list configures the checks of one list.
type list struct {
	name     ledger.Queue
	end      int // messages from either end of the due ones
	together int // items in one call of check
	check    check
}

// Checks of waiting messages are cheap: 2,000 a second are enough for 120,000
// messages once a minute. Calls are checked only when they take long, and messages
// of unknown outcome can need a lookup at Sinch.
const (
	waitingEnd      = 1000
	waitingTogether = 250
	callsEnd        = 500
	callsTogether   = 100
	unknownEnd      = 250
	itemsAtOnce     = 8 // checked concurrently by each
)

// sweepFor sweeps a list within its time of a round.
func (s *Sweeper) sweepFor(ctx context.Context, share time.Duration, l list) error {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return s.sweep(ctx, l)
}

// sweep checks the due messages of a list in chunks. A failed check does not prevent
// the others, but an unavailable ledger ends the sweep.
func (s *Sweeper) sweep(ctx context.Context, l list) error {
	due, now, err := s.ledger.Due(ctx, l.name, l.end)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var failed error
	for chunk := range slices.Chunk(due, l.together) {
		items := make([]*item, len(chunk))
		for i, d := range chunk {
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

// check checks messages and sets their next checks.
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

// read reads the messages of items and returns the items with a message; expired
// ones need no further check.
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

// each checks items one by one, up to itemsAtOnce concurrently.
func each(one func(ctx context.Context, m *message.Message, now time.Time) (again time.Time, err error)) check {
	return func(ctx context.Context, items []*item, now time.Time) error {
		began := time.Now()
		checks, ctx := errgroup.WithContext(ctx)
		checks.SetLimit(itemsAtOnce)
		for _, v := range items {
			checks.Go(func() error {
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
		return checks.Wait()
	}
}

// checkUnknown reconciles a message of unknown outcome.
func (s *Sweeper) checkUnknown(ctx context.Context, q *lookupSession, m *message.Message, now time.Time) (time.Time, error) {
	if m.Status != message.StatusUnknown {
		return time.Time{}, nil
	}
	if !m.RedactedAt.IsZero() { // there is nothing to send again
		return now.AddDate(neverAgain, 0, 0), nil
	}
	again, err := s.reconciler.reconcile(ctx, q, m, now)
	if again.IsZero() && !m.Scope.Test { // those of test messages expire
		again = now.AddDate(neverAgain, 0, 0) // it stays on the list, which callers can read
	}
	return again, err
}

// checkSending marks an attempt whose worker has crashed as unknown.
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
		alive, err := s.ledger.Alive(ctx, a.Worker)
		if err != nil || alive {
			return now.Add(recheckAfter), err
		}
	}
	_, err := s.reconciler.recover(ctx, WorkerLost, m.ID, func(m *message.Message, now time.Time) error {
		o := message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome, Detail: "worker lost during the call"}
		return m.Conclude(a.N, o, s.retry, now)
	})
	return now.Add(recheckAfter), err
}

// resolveOwn resolves begins of this process without a reply: it made no call for
// them.
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

// notBegun concludes attempt n as not begun, if it was recorded after all. Another
// process may have marked it unknown meanwhile.
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
