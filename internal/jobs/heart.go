package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// beatEvery is the rhythm of the heartbeat; its key lives five times as long.
const beatEvery = 2 * time.Second

// holdAfterChange is how long no call begins after Redis changed hands or went
// back: long enough for every living worker to notice with its next heartbeat
// and to tell what Redis has lost, before somebody sends that again.
const holdAfterChange = 2*beatEvery + time.Second

// Heart tells the others that this worker lives, and notices when Redis has
// gone back to older data.
type Heart struct {
	ledger  *ledger.Ledger
	worker  *Worker
	metrics Metrics
	log     zerolog.Logger
}

// Run beats until ctx ends.
func (h *Heart) Run(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		h.Beat(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Beat beats once.
func (h *Heart) Beat(ctx context.Context) {
	epoch, err := h.ledger.Beat(ctx, h.worker.ID)
	if err != nil {
		h.log.Warn().Err(err).Msg("heartbeat failed")
		return
	}
	if !h.worker.saw(epoch) {
		return
	}
	h.worker.hold(holdAfterChange)
	if err := h.restore(ctx); err != nil {
		h.log.Error().Err(err).Msg("rollback of Redis not made good yet")
		return
	}
	h.worker.restart(epoch)
}

// restore tells a rolled back Redis of the calls it has forgotten, before this
// worker begins another one.
func (h *Heart) restore(ctx context.Context) error {
	h.log.Error().Msg("Redis was rolled back: it no longer knows what it had acknowledged")
	for _, known := range h.worker.memories(time.Now()) {
		lost := false
		_, err := h.ledger.Update(ctx, known.id, func(m *message.Message, now time.Time) error {
			before := m.Status
			err := m.Restore(known.attempt, now)
			lost = m.Status != before
			return err
		})
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("restore call: %w", err)
		}
		if lost {
			h.metrics.Healed(healedRollback)
			h.log.Warn().Str("message", string(known.id)).Int("attempt", known.attempt.N).Msg("call restored that Redis had lost")
		}
	}
	return nil
}
