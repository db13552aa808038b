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

// heartbeatEvery is the interval of heartbeats; their key expires after five of them.
const heartbeatEvery = 2 * time.Second

// PauseAfterChange is the time for which no call begins after a failover or a
// rollback of Redis: every live worker detects it with its next heartbeat and
// restores the missing calls before they would be made again.
const PauseAfterChange = 2*heartbeatEvery + time.Second

// Heartbeat writes the heartbeat of this worker, and detects a rollback of Redis.
type Heartbeat struct {
	ledger     *ledger.Ledger
	worker     *dispatch.Worker
	reconciler *reconciler
	callTime   time.Duration // of one call to Sinch
	log        zerolog.Logger
	state      *telemetry.StateLog
}

// NewHeartbeat creates a Heartbeat.
func NewHeartbeat(o Options) *Heartbeat {
	return &Heartbeat{
		ledger: o.Ledger, worker: o.Worker, reconciler: o.reconciler(), callTime: o.CallTime, log: o.Log,
		state: telemetry.NewStateLog(o.Log, "heartbeats fail", "heartbeats succeed again"),
	}
}

// Listen caches the begins of other workers until ctx ends.
func (h *Heartbeat) Listen(ctx context.Context) {
	h.ledger.WatchBegins(ctx, h.worker.ID, h.worker.OnBegin)
}

// Run sends heartbeats until ctx ends.
func (h *Heartbeat) Run(ctx context.Context) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		h.Send(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Send sends one heartbeat.
func (h *Heartbeat) Send(ctx context.Context) {
	before := h.worker.Lease().Epoch // read first: begins until the answer only raise it
	epoch, err := h.ledger.Heartbeat(ctx, h.worker.ID)
	if ctx.Err() == nil {
		h.state.Report(err)
	}
	if err != nil {
		return
	}
	if epoch == 0 && before == 0 {
		h.worker.Resume() // a Redis without begins cannot have lost any
	}
	if !h.worker.RolledBack(before, epoch) {
		return
	}
	h.worker.Pause(PauseAfterChange)
	if err := h.restore(ctx); err != nil {
		h.log.Error().Err(err).Msg("calls not restored yet after the rollback of Redis")
		return
	}
	h.worker.Reset(epoch)
}

// restore records the calls again that a rollback of Redis has removed, before this
// worker begins another one.
func (h *Heartbeat) restore(ctx context.Context) error {
	h.log.Error().Msg("Redis was rolled back: it has lost writes that it had acknowledged")
	for calls := range slices.Chunk(h.worker.RecentCalls(time.Now()), restoreChunk) {
		if err := h.restoreCalls(ctx, calls); err != nil {
			return err
		}
	}
	return nil
}

// restoreChunk is the number of messages that are read in one round trip.
const restoreChunk = 500

func (h *Heartbeat) restoreCalls(ctx context.Context, calls []dispatch.Call) error {
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

// isRecorded reports whether the record has the call, and its outcome where the
// cache has it.
func isRecorded(c dispatch.Call, m *message.Message) bool {
	if m.Attempts < c.Attempt.N {
		return false
	}
	unresolved := slices.ContainsFunc(m.Unresolved(), func(a message.Attempt) bool { return a.N == c.Attempt.N })
	return !unresolved || c.Outcome == nil || c.Outcome.Kind == message.OutcomeUnknown
}

// restoreCall records one call again as unknown, and then its outcome where the
// cache has it.
func (h *Heartbeat) restoreCall(ctx context.Context, c dispatch.Call, m *message.Message) error {
	a, missing := h.attempt(c, m), false
	after, err := h.reconciler.change(ctx, c.ID, func(m *message.Message, now time.Time) error {
		a.Deadline = latest(a.Deadline, now.Add(h.callTime))
		before := m.Attempts
		if err := m.Restore(a, now); err != nil {
			return err
		}
		missing = m.Attempts != before
		if c.Outcome == nil || c.Outcome.Kind == message.OutcomeUnknown {
			return nil
		}
		return m.Conclude(a.N, *c.Outcome, h.reconciler.retry, now)
	})
	if err != nil {
		return err
	}
	if missing && a.Call != "" { // receipts find the attempt by it
		if err := h.ledger.IndexCall(ctx, a.Call, after.Content.To, c.ID.AttemptRef(a.N)); err != nil {
			return fmt.Errorf("restore call: %w", err)
		}
	}
	if missing {
		h.reconciler.recovered(Rollback, after)
	}
	return nil
}

// attempt is the call as it is recorded again. The API of another worker's call is
// not cached: it is that of the message under the current settings.
func (h *Heartbeat) attempt(c dispatch.Call, m *message.Message) message.Attempt {
	a := c.Attempt
	if a.API == "" {
		origin := h.reconciler.providers.For(m).Origin()
		a.API, a.BaseURL, a.Account, a.Begun = string(origin.API), origin.BaseURL, origin.Account, c.SeenAt
	}
	a.State = message.AttemptUnknown
	return a
}
