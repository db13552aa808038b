package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	ledger   *ledger.Ledger
	worker   *Worker
	settler  *settler
	callTime time.Duration // of one call to Sinch
	log      zerolog.Logger
}

// Listen hears of the calls that other workers begin, until ctx ends.
func (h *Heart) Listen(ctx context.Context) {
	h.ledger.WatchBegins(ctx, h.worker.ID, h.worker.heard)
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
	before := h.worker.Lease().Epoch // what Redis must know, whatever begins until it answers
	epoch, err := h.ledger.Beat(ctx, h.worker.ID)
	if err != nil {
		h.log.Warn().Err(err).Msg("heartbeat failed")
		return
	}
	if epoch == 0 && before == 0 {
		h.worker.release() // a Redis in which nothing was begun has forgotten nothing
	}
	if !h.worker.missesCalls(before, epoch) {
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
	for some := range slices.Chunk(h.worker.memory.all(time.Now()), restoreChunk) {
		if err := h.restoreSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// restoreChunk is how many messages are looked at in one round trip.
const restoreChunk = 500

func (h *Heart) restoreSome(ctx context.Context, calls []call) error {
	ids := make([]message.ID, len(calls))
	for i, c := range calls {
		ids[i] = c.id
	}
	found, err := h.ledger.ReadMany(ctx, ids)
	if err != nil {
		return fmt.Errorf("restore calls: %w", err)
	}
	known := make(map[message.ID]*message.Message, len(found))
	for _, seen := range found {
		known[seen.Message.ID] = seen.Message
	}
	for _, c := range calls {
		m := known[c.id]
		if m == nil || c.settledIn(m) {
			continue
		}
		if err := h.restoreCall(ctx, c, m); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("restore call: %w", err)
		}
	}
	return nil
}

// settledIn reports whether the record tells as much of the call as this
// process knows.
func (c call) settledIn(m *message.Message) bool {
	if m.Attempts < c.attempt.N {
		return false
	}
	unresolved := slices.ContainsFunc(m.Unresolved(), func(a message.Attempt) bool { return a.N == c.attempt.N })
	return !unresolved || c.outcome == nil || c.outcome.Kind == message.OutcomeUnknown
}

// restoreCall brings back one call, as unknown, and then how it ended, where
// this process knows that.
func (h *Heart) restoreCall(ctx context.Context, c call, m *message.Message) error {
	a, lost := h.attempt(c, m), false
	after, err := h.settler.change(ctx, c.id, func(m *message.Message, now time.Time) error {
		a.Deadline = latest(a.Deadline, now.Add(h.callTime))
		before := m.Attempts
		if err := m.Restore(a, now); err != nil {
			return err
		}
		lost = m.Attempts != before
		if c.outcome == nil || c.outcome.Kind == message.OutcomeUnknown {
			return nil
		}
		return m.Conclude(a.N, *c.outcome, h.settler.retry, now)
	})
	if err != nil {
		return err
	}
	if lost && a.Call != "" { // receipts find the attempt by it
		if err := h.ledger.IndexCall(ctx, a.Call, after.Content.To, c.id.AttemptRef(a.N)); err != nil {
			return fmt.Errorf("restore call: %w", err)
		}
	}
	if lost {
		h.settler.healed(healedRollback, after)
	}
	return nil
}

// attempt is the call as it is written down again. Of another worker's only
// the number is known; it went where such a message goes.
func (h *Heart) attempt(c call, m *message.Message) message.Attempt {
	a := c.attempt
	if a.API == "" {
		origin := h.settler.providers.For(m).Origin()
		a.API, a.BaseURL, a.Account, a.Begun = string(origin.API), origin.BaseURL, origin.Account, c.heard
	}
	a.State = message.AttemptUnknown
	return a
}
