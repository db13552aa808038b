package messagelog

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/redisconn"
)

const (
	houseLock = redisconn.KeyPrefix + "log:house"
	// keepEvery is the interval at which partitions are made and dropped, by one of all
	// processes.
	keepEvery = time.Hour
	// keepTimeout bounds one round: a partition that is dropped waits for the
	// transactions that read it.
	keepTimeout = 10 * time.Minute
	// keepAgain is the pause after a round that has failed or was another process'.
	keepAgain = time.Minute
)

// KeepHouse makes partitions in advance and drops what is older than the retention,
// until ctx ends.
func (w *Writer) KeepHouse(ctx context.Context) {
	for {
		if err := w.keep(ctx); err != nil && ctx.Err() == nil {
			w.logger.Debug().Err(err).Msg("partitions of the long-term log not kept; tried again in a minute")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepAgain):
		}
	}
}

// keep makes one round unless a process has made one within the last hour: its lock
// is left to run out.
func (w *Writer) keep(ctx context.Context) error {
	lock, err := w.locker.Obtain(ctx, houseLock, keepEvery, nil)
	if err != nil {
		return err //nolint:wrapcheck // another process has it, or Redis is away
	}
	bounded, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	if err := errors.Join(w.log.CheckSchema(bounded), w.log.makeAhead(bounded), w.log.Retain(bounded)); err != nil {
		return errors.Join(err, lock.Release(context.WithoutCancel(ctx)))
	}
	return nil
}
