package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bsm/redislock"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// Dispatcher enqueues the tasks of replayed messages.
type Dispatcher interface {
	DispatchMany(ctx context.Context, messages []*message.Message) error
}

// SuppressFunc opts a number out of all senders of a scope, unless it is.
type SuppressFunc func(ctx context.Context, scope message.Scope, number, reason string) (added bool, err error)

// Runner replays what was selected. One of all processes does so at a time. After a
// crash another one goes on: a message that was replayed already has another version
// by then, and is not replayed again.
type Runner struct {
	store      *Store
	dispatcher Dispatcher
	suppress   SuppressFunc
	locker     *redislock.Client
	lock       *redislock.Lock // nil: another process runs the replays, or there are none
	report     func(err error)
	log        zerolog.Logger
	begun      map[string]time.Time // when this process began to run a replay
	made       map[string]float64   // messages that it has taken since
}

// NewRunner returns a runner; report is called with the result of each round.
func NewRunner(s *Store, d Dispatcher, suppress SuppressFunc, report func(err error), log zerolog.Logger) *Runner {
	return &Runner{
		store: s, dispatcher: d, suppress: suppress, locker: redislock.New(s.rdb), report: report, log: log,
		begun: make(map[string]time.Time), made: make(map[string]float64),
	}
}

const (
	runnerLock = redisconn.KeyPrefix + "replay:runner"
	// lockTTL is longer than a round takes; it bounds the pause after a crash.
	lockTTL = 10 * time.Second
	// idlePause is the interval at which a worker looks for replays.
	idlePause = 2 * time.Second
	// busyPause is the interval of rounds while there are some.
	busyPause = 100 * time.Millisecond
	// roundMax bounds the messages of one round of one replay.
	roundMax = 500
)

// Run runs replays until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	defer r.release(ctx)
	for {
		pause := idlePause
		active, err := r.Round(ctx)
		if ctx.Err() == nil {
			r.report(err)
		}
		if active && err == nil {
			pause = busyPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Round goes on with each replay that is running; active is false when there is none,
// or another process runs them.
func (r *Runner) Round(ctx context.Context) (active bool, err error) {
	ids, err := r.store.rdb.SMembers(ctx, activeKey).Result()
	if err != nil {
		return false, unavailable("list replays", err)
	}
	if len(ids) == 0 {
		r.release(ctx)
		return false, nil
	}
	if err := r.hold(ctx); err != nil || r.lock == nil {
		return false, err
	}
	for _, id := range ids {
		if err := r.goOn(ctx, id); err != nil {
			return true, err
		}
	}
	return true, nil
}

// hold keeps the lock or tries to get it. The pace of a replay is that of the process
// with the lock, which keeps it until all replays have ended.
func (r *Runner) hold(ctx context.Context) error {
	if r.lock != nil && r.lock.Refresh(ctx, lockTTL, nil) == nil {
		return nil
	}
	r.lock = nil
	clear(r.begun)
	clear(r.made)
	lock, err := r.locker.Obtain(ctx, runnerLock, lockTTL, nil)
	switch {
	case errors.Is(err, redislock.ErrNotObtained):
		return nil
	case err != nil:
		return unavailable("lock replays", err)
	}
	r.lock = lock
	return nil
}

// release gives up the lock; one that cannot be given up runs out.
func (r *Runner) release(ctx context.Context) {
	if r.lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = r.lock.Release(ctx) // it may have run out
	r.lock = nil
	clear(r.begun)
	clear(r.made)
}

// goOn replays the messages of a replay that are due by its pace.
func (r *Runner) goOn(ctx context.Context, id string) error {
	job, err := r.store.Get(ctx, nil, id)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && job.Status != Running:
		return r.store.rdb.SRem(ctx, activeKey, id).Err()
	case err != nil:
		return err
	}
	if r.begun[id].IsZero() {
		r.begun[id] = time.Now()
	}
	n := r.due(job)
	if n == 0 {
		return nil
	}
	entries, err := r.store.rdb.LRange(ctx, listKey(id), 0, int64(n)-1).Result()
	if err != nil {
		return unavailable("read replay", err)
	}
	if len(entries) == 0 {
		r.log.Info().Str("replay", id).Str("action", string(job.Action)).Int64("replayed", job.Replayed).Int64("skipped", job.Skipped).
			Msg("replay done")
		return r.store.end(ctx, id, Done)
	}
	r.made[id] += float64(len(entries))
	replayed, err := r.replay(ctx, job, entries)
	if err != nil {
		return err
	}
	pipe := r.store.rdb.TxPipeline()
	pipe.LTrim(ctx, listKey(id), int64(len(entries)), -1)
	pipe.HIncrBy(ctx, jobKey(id), fieldReplayed, int64(replayed))
	pipe.HIncrBy(ctx, jobKey(id), fieldSkipped, int64(len(entries)-replayed))
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("record progress of replay", err)
	}
	return nil
}

// due is the number of messages that may be replayed now: by the pace since this
// process began, and at most a second's worth at once.
func (r *Runner) due(job Replay) int {
	allowed := time.Since(r.begun[job.ID]).Seconds()*job.Rate + 1
	behind := allowed - r.made[job.ID]
	if behind > job.Rate+1 {
		r.made[job.ID] = allowed - job.Rate - 1
		behind = job.Rate + 1
	}
	return min(max(int(behind), 0), roundMax)
}

// replay replays messages and returns how many. A message that a crashed round has
// replayed already counts, too.
func (r *Runner) replay(ctx context.Context, job Replay, packed []string) (replayed int, err error) {
	entries := make([]entry, 0, len(packed))
	ids := make([]message.ID, 0, len(packed))
	for _, one := range packed {
		e, err := unpack(one)
		if err != nil {
			return 0, err
		}
		entries, ids = append(entries, e), append(ids, e.id)
	}
	read, err := r.store.ledger.ReadEach(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("read messages: %w", err)
	}
	var changed []*message.Message
	for i, result := range read {
		if result.Err != nil {
			if !errors.Is(result.Err, ledger.ErrNotFound) {
				r.log.Warn().Str("message_id", string(ids[i])).Err(result.Err).Msg("message not replayed: it cannot be read")
			}
			continue
		}
		m, done, err := r.one(ctx, job, result.Value, entries[i])
		if err != nil {
			return 0, err
		}
		if done {
			replayed++
		}
		if m != nil && job.Action == SendAgain {
			changed = append(changed, m)
		}
	}
	if len(changed) == 0 {
		return replayed, nil
	}
	if err := r.dispatcher.DispatchMany(ctx, changed); err != nil {
		r.log.Warn().Str("replay", job.ID).Err(err).Msg("tasks not enqueued; the sweeper will enqueue them")
	}
	return replayed, nil
}

// errChanged refuses a message that was changed since it was selected.
var errChanged = errors.New("changed since it was selected")

// one does the action of a job with one message.
func (r *Runner) one(ctx context.Context, job Replay, seen ledger.Snapshot, e entry) (m *message.Message, done bool, err error) {
	switch job.Action {
	case Suppress:
		done, err := r.optOut(ctx, job, seen.Message)
		return nil, done, err
	case Cancel:
		return r.change(ctx, job, seen, e, (*message.Message).Cancel)
	case SendAgain:
	}
	return r.change(ctx, job, seen, e, func(m *message.Message, now time.Time) error {
		return m.Replay(job.Force, time.Time{}, now)
	})
}

// doneSince reports whether a message shows the action of a job: a crashed round has
// done it, and has not recorded the progress.
func (r Replay) doneSince(m *message.Message) bool {
	if r.Action == Cancel {
		return m.Status == message.StatusCanceled && !m.FinalAt.Before(r.CreatedAt)
	}
	return m.ReplayedSince(r.CreatedAt)
}

// optOut opts the recipient of a message out, whatever has become of the message since
// it was selected. One whose number is not known any more is skipped.
func (r *Runner) optOut(ctx context.Context, job Replay, m *message.Message) (added bool, err error) {
	if m.Content.To == "" || message.IsMasked(m.Content.To) {
		return false, nil
	}
	added, err = r.suppress(ctx, m.Scope, m.Content.To, job.Reason)
	switch {
	case errors.Is(err, redisconn.ErrUnavailable):
		return false, fmt.Errorf("opt out: %w", err)
	case err != nil:
		r.log.Warn().Str("message_id", string(m.ID)).Err(err).Msg("recipient not opted out")
		return false, nil
	default:
		return added, nil
	}
}

// change changes a message unless it was changed since it was selected.
func (r *Runner) change(
	ctx context.Context, job Replay, seen ledger.Snapshot, e entry, change ledger.Change,
) (m *message.Message, done bool, err error) {
	if seen.Version() != e.version {
		return nil, job.doneSince(seen.Message), nil
	}
	first := true
	m, err = r.store.ledger.UpdateFrom(ctx, seen, func(m *message.Message, now time.Time) error {
		if !first { // called again after a conflict with another writer
			return errChanged
		}
		first = false
		return change(m, now)
	})
	switch {
	case err == nil:
		return m, true, nil
	case errors.Is(err, redisconn.ErrUnavailable):
		return nil, false, fmt.Errorf("change message: %w", err)
	default: // it was changed, has expired, or its state does not allow the change
		return nil, false, nil
	}
}
