package operator

import (
	"context"
	"fmt"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Messages changes messages by compare-and-set.
type Messages interface {
	Update(ctx context.Context, id message.ID, change ledger.Change) (*message.Message, error)
}

// Tasks enqueues the task of a message.
type Tasks interface {
	Dispatch(ctx context.Context, m *message.Message) error
}

// Replay queues a message again; with force also one of unknown outcome, which may
// double it. A task that cannot be enqueued is left to the sweeper. Besides those of
// message.Replay the errors are ErrReason and those of the messages.
func (o *Operator) Replay(ctx context.Context, messages Messages, tasks Tasks, id message.ID, force bool, reason string) error {
	if reason == "" {
		return ErrReason
	}
	err := o.Record(ctx, Change{Action: ActionMessageReplay, Target: string(id), Reason: reason})
	if err != nil {
		return err
	}
	m, err := messages.Update(ctx, id, func(m *message.Message, now time.Time) error {
		return m.Replay(force, time.Time{}, now)
	})
	if err != nil {
		return fmt.Errorf("replay message: %w", err)
	}
	_ = tasks.Dispatch(ctx, m) // the sweeper enqueues it when that fails
	return nil
}

// Reveal records that an operator sees the number and the content of a message. The
// caller shows them once Reveal has returned nil. It returns ErrReason without a
// reason.
func (o *Operator) Reveal(ctx context.Context, id message.ID, reason string) error {
	if reason == "" {
		return ErrReason
	}
	return o.Record(ctx, Change{Action: ActionMessageReveal, Target: string(id), Reason: reason})
}
