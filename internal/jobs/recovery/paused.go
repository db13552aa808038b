package recovery

import (
	"context"
	"fmt"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/pause"
)

// resumeShare bounds the time of a round for parked tasks.
const resumeShare = sweepEvery

// resume enqueues the tasks that were parked by pauses that are over.
func (s *Sweeper) resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, resumeShare)
	defer cancel()
	paused, err := s.pauses.Read(ctx)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if err := s.endPauses(ctx, paused); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if err := s.queue.Unpark(ctx, paused); err != nil && ctx.Err() == nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// endPauses ends the pauses of batches that are canceled or gone: neither can be
// resumed.
func (s *Sweeper) endPauses(ctx context.Context, paused pause.Set) error {
	for key, id := range paused.Batches() {
		sends, err := s.ledger.BatchSends(ctx, id)
		if err != nil {
			return err
		}
		if sends {
			continue
		}
		if err := s.pauses.Remove(ctx, key); err != nil {
			return err
		}
		delete(paused, key)
	}
	return nil
}

// notParked returns the items of messages whose task is not parked.
func (s *Sweeper) notParked(ctx context.Context, items []*item) []*item {
	tasks := make([]queue.Task, len(items))
	for i, v := range items {
		tasks[i] = queue.MessageTask(v.message)
	}
	parked, err := s.queue.Parked(ctx, tasks)
	others := make([]*item, 0, len(items))
	for i, v := range items {
		switch {
		case err != nil:
			v.err = err
		case !parked[i]:
			others = append(others, v)
		}
	}
	return others
}
