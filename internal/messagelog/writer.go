package messagelog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Ledger is what the writer needs of the record of messages.
type Ledger interface {
	ChangedAt(ctx context.Context, c ledger.Consumer, skip, n int) ([]ledger.Changed, error)
	Handled(ctx context.Context, c ledger.Consumer, done []ledger.Changed) error
	ReadBatches(ctx context.Context, ids []message.BatchID) (ledger.BatchesRead, error)
	UsageSince(ctx context.Context, first time.Time) ([]ledger.DailyUsage, error)
}

// Writer writes changed messages to the log, and drops what is older than the
// retention. Several processes write at once: each holds a slot, and the slots take
// different parts of the list. Two of them with the same message do no harm.
type Writer struct {
	log    *Log
	ledger Ledger
	rdb    redis.UniversalClient
	audit  *auditQueue
	slots  *slots
	locker *redislock.Client
	report func(err error) // of each try
	logger zerolog.Logger

	erasures *Erasures

	ready      bool      // the schema is known to be recent enough
	skip       int       // unreadable messages at the head of the writer's part
	minute     time.Time // of the last round of copyUsage
	drained    time.Time // the last step of the erasures that wait
	unfinished bool      // that step has failed
}

// WriterOptions are the dependencies of a Writer.
type WriterOptions struct {
	Log      *Log
	Ledger   Ledger
	Redis    redis.UniversalClient
	Erasures *Erasures
	// Report is called with the result of each try.
	Report func(err error)
	Logger zerolog.Logger
}

// NewWriter returns a writer.
func NewWriter(o WriterOptions) *Writer {
	return &Writer{
		log: o.Log, ledger: o.Ledger, rdb: o.Redis, audit: &auditQueue{rdb: o.Redis}, slots: newSlots(o.Redis),
		locker: redislock.New(o.Redis), report: o.Report, logger: o.Logger, erasures: o.Erasures,
	}
}

const (
	// writeChunk is the number of messages of one write.
	writeChunk = 500
	// writeTimeout bounds one round.
	writeTimeout = 15 * time.Second
	// writePause is the pause after a round that has found less than a chunk: a message
	// that changes several times within it is written once.
	writePause = 200 * time.Millisecond
	// failPause is the pause after a round that has failed.
	failPause = time.Second
	// drainEvery is the interval of drainErasures.
	drainEvery = time.Second
	// slotPause is the pause of a writer without a slot.
	slotPause = time.Second
	// usageEvery is the interval of copyUsage.
	usageEvery = time.Minute
)

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	defer w.slots.release(ctx)
	for {
		pause := slotPause
		if w.slots.hold(ctx) {
			pause = w.once(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// once makes one round and returns the pause before the next one.
func (w *Writer) once(ctx context.Context) time.Duration {
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	n, err := w.Round(bounded)
	if ctx.Err() != nil {
		return 0
	}
	w.report(err)
	switch {
	case err != nil:
		w.ready = false
		return failPause
	case n >= writeChunk:
		return 0
	default:
		return writePause
	}
}

// Round writes one chunk of the writer's part of the list, and returns how many
// messages it has handled.
func (w *Writer) Round(ctx context.Context) (handled int, err error) {
	if err := w.prepare(ctx); err != nil {
		return 0, err
	}
	w.drainErasures(ctx)
	changed, err := w.ledger.ChangedAt(ctx, ledger.ConsumerLog, w.slots.held*writeChunk+w.skip, writeChunk)
	if err != nil {
		return 0, fmt.Errorf("changed messages: %w", err)
	}
	entries, unreadable := w.entries(changed)
	if err := w.log.Write(ctx, entries); err != nil {
		return 0, err
	}
	if err := w.writeBatches(ctx, entries); err != nil {
		return 0, err
	}
	if err := w.ledger.Handled(ctx, ledger.ConsumerLog, changed); err != nil {
		return 0, fmt.Errorf("changed messages: %w", err)
	}
	w.skip += unreadable
	if len(changed) < writeChunk {
		w.skip = 0
	}
	return len(changed), w.rest(ctx)
}

// drainErasures makes the erasures that wait for PostgreSQL, before the messages that
// wait for it. One that fails does not stop the writer.
func (w *Writer) drainErasures(ctx context.Context) {
	if now := time.Now(); w.slots.held == 0 && now.Sub(w.drained) >= drainEvery {
		w.drained = now
		err := w.erasures.Drain(ctx)
		if failed := err != nil && ctx.Err() == nil; failed != w.unfinished {
			w.unfinished = failed
			w.logger.Warn().Err(err).Bool("waiting", failed).Msg("erasures in the long-term log")
		}
	}
}

// prepare checks the schema and makes partitions in advance, once and after each
// failure.
func (w *Writer) prepare(ctx context.Context) error {
	if w.ready {
		return nil
	}
	if err := w.log.CheckSchema(ctx); err != nil {
		return err
	}
	if err := w.log.makeAhead(ctx); err != nil {
		return err
	}
	w.ready = true
	return nil
}

// rest is what a round does beside messages.
func (w *Writer) rest(ctx context.Context) error {
	if w.slots.held > 0 {
		return nil
	}
	if err := w.audit.drain(ctx, w.log); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(w.minute) >= usageEvery {
		if err := w.copyUsage(ctx); err != nil {
			return err
		}
		w.minute = now
	}
	return nil
}

// entries are the changed messages that can be written. One whose key is missing
// stays on the list until the key is back.
func (w *Writer) entries(changed []ledger.Changed) (entries []Entry, unreadable int) {
	entries = make([]Entry, 0, len(changed))
	for _, one := range changed {
		switch {
		case one.Err == nil:
			entries = append(entries, Entry{Message: one.Message, Version: one.Version()})
		case errors.Is(one.Err, ledger.ErrNotFound):
			w.logger.Error().Str("message_id", string(one.ID)).Msg("changed message is gone; it was not logged")
		default:
			unreadable++
			if !errors.Is(one.Err, encryption.ErrKeyMissing) { // which is logged with the id of the key
				w.logger.Error().Str("message_id", string(one.ID)).Err(one.Err).Msg("changed message is unreadable; it waits to be logged")
			}
		}
	}
	return entries, unreadable
}
