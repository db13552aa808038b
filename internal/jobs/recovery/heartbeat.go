package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/telemetry"
)

// beatEvery is the interval of heartbeats; their key lives five times as long.
const beatEvery = 2 * time.Second

// PauseAfterChange is how long no call begins after Redis changed hands or went
// back: long enough for every living worker to notice with its next heartbeat
// and to restore the calls that Redis has lost, before they are made again.
const PauseAfterChange = 2*beatEvery + time.Second

// Heartbeat keeps the sign of life of this worker, and notices when Redis has
// gone back to older data.
type Heartbeat struct {
	ledger     *ledger.Ledger
	worker     *dispatch.Worker
	reconciler *reconciler
	callTime   time.Duration // of one call to Sinch
	log        zerolog.Logger
	beats      *telemetry.StateLog
}

// NewHeartbeat makes a Heartbeat.
func NewHeartbeat(o Options) *Heartbeat {
	return &Heartbeat{
		ledger: o.Ledger, worker: o.Worker, reconciler: o.reconciler(), callTime: o.CallTime, log: o.Log,
		beats: telemetry.NewStateLog(o.Log, "heartbeats fail", "heartbeats succeed again"),
	}
}

// Listen takes in the begins of other workers until ctx ends.
func (h *Heartbeat) Listen(ctx context.Context) {
	h.ledger.WatchBegins(ctx, h.worker.ID, h.worker.OnBegin)
}

// Run sends heartbeats until ctx ends.
func (h *Heartbeat) Run(ctx context.Context) {
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

// Beat sends one heartbeat.
func (h *Heartbeat) Beat(ctx context.Context) {
	before := h.worker.Lease().Epoch // what Redis must know, whatever begins until it answers
	epoch, err := h.ledger.Heartbeat(ctx, h.worker.ID)
	if ctx.Err() == nil {
		h.beats.Report(err)
	}
	if err != nil {
		return
	}
	if epoch == 0 && before == 0 {
		h.worker.Resume() // a Redis in which nothing was begun has forgotten nothing
	}
	if !h.worker.MissesCalls(before, epoch) {
		return
	}
	h.worker.Pause(PauseAfterChange)
	if err := h.restore(ctx); err != nil {
		h.log.Error().Err(err).Msg("rollback of Redis not made good yet")
		return
	}
	h.worker.Reset(epoch)
}

// restore records the calls again that a rolled back Redis has lost, before this
// worker begins another one.
func (h *Heartbeat) restore(ctx context.Context) error {
	h.log.Error().Msg("Redis was rolled back: it no longer knows what it had acknowledged")
	for some := range slices.Chunk(h.worker.RecentCalls(time.Now()), restoreChunk) {
		if err := h.restoreSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// restoreChunk is how many messages are looked at in one round trip.
const restoreChunk = 500

func (h *Heartbeat) restoreSome(ctx context.Context, calls []dispatch.Call) error {
	ids := make([]message.ID, len(calls))
	for i, c := range calls {
		ids[i] = c.ID
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
		m := known[c.ID]
		if m == nil || isRecorded(c, m) {
			continue
		}
		if err := h.restoreCall(ctx, c, m); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("restore call: %w", err)
		}
	}
	return nil
}

// isRecorded reports whether the record holds as much of a call as this process
// knows.
func isRecorded(c dispatch.Call, m *message.Message) bool {
	if m.Attempts < c.Attempt.N {
		return false
	}
	unresolved := slices.ContainsFunc(m.Unresolved(), func(a message.Attempt) bool { return a.N == c.Attempt.N })
	return !unresolved || c.Outcome == nil || c.Outcome.Kind == message.OutcomeUnknown
}

// restoreCall brings back one call, as unknown, and then how it ended, where
// this process knows that.
func (h *Heartbeat) restoreCall(ctx context.Context, c dispatch.Call, m *message.Message) error {
	a, lost := h.attempt(c, m), false
	after, err := h.reconciler.change(ctx, c.ID, func(m *message.Message, now time.Time) error {
		a.Deadline = latest(a.Deadline, now.Add(h.callTime))
		before := m.Attempts
		if err := m.Restore(a, now); err != nil {
			return err
		}
		lost = m.Attempts != before
		if c.Outcome == nil || c.Outcome.Kind == message.OutcomeUnknown {
			return nil
		}
		return m.Conclude(a.N, *c.Outcome, h.reconciler.retry, now)
	})
	if err != nil {
		return err
	}
	if lost && a.Call != "" { // receipts find the attempt by it
		if err := h.ledger.IndexCall(ctx, a.Call, after.Content.To, c.ID.AttemptRef(a.N)); err != nil {
			return fmt.Errorf("restore call: %w", err)
		}
	}
	if lost {
		h.reconciler.recovered(Rollback, after)
	}
	return nil
}

// attempt is the call as it is recorded again. Of another worker's only
// the number is known; it went where such a message goes.
func (h *Heartbeat) attempt(c dispatch.Call, m *message.Message) message.Attempt {
	a := c.Attempt
	if a.API == "" {
		origin := h.reconciler.providers.For(m).Origin()
		a.API, a.BaseURL, a.Account, a.Begun = string(origin.API), origin.BaseURL, origin.Account, c.SeenAt
	}
	a.State = message.AttemptUnknown
	return a
}
