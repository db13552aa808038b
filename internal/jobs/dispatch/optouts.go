package dispatch

import (
	"context"
	"errors"
	"fmt"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

var (
	// errSuppressed is returned for a message whose recipient has opted out.
	errSuppressed = errors.New("recipient has opted out")
	// errNotCleared is returned when the opt-outs could not be read.
	errNotCleared = errors.New("opt-outs could not be looked up")
)

// clear looks up the opt-outs of a message for which the ledger returned
// ErrSuppressed. nil: it may be sent.
func (h *Handler) clear(ctx context.Context, m *message.Message) error {
	suppressed, err := h.optOuts.Suppressed(ctx, m.Scope, m.Content.To, m.From)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errNotCleared, err)
	case suppressed:
		return errSuppressed
	default:
		return nil
	}
}

// block records a recipient that is on Sinch's block list, so that the next message
// to it fails without a call. It is recorded before the outcome: a caller that sees
// the failed message can rely on it. Blocks of the simulator are not recorded, or
// each of its magic numbers would work only once. When the write fails, Sinch
// refuses the next message to the number again.
func (h *Handler) block(m *message.Message, a message.Attempt, o message.Outcome) {
	if !o.Suppress || a.API == string(sinch.APISimulator) {
		return
	}
	if err := h.optOuts.Block(h.life, m.Scope, m.Content.To, m.From, o.SinchCode); err != nil {
		h.log.Warn().Err(err).Str("message_id", string(m.ID)).Msg("block of Sinch not recorded")
	}
}
