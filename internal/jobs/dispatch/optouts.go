package dispatch

import (
	"context"
	"errors"
	"fmt"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

var (
	// errSuppressed says that the recipient of a message has opted out.
	errSuppressed = errors.New("recipient has opted out")
	// errNotCleared says that the opt-outs could not be read.
	errNotCleared = errors.New("opt-outs could not be looked up")
)

// clear looks up the opt-outs of a message that the ledger suppresses. nil: it
// may be sent.
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

// block takes a recipient in that Sinch has on its block list, so that the next
// message fails without a call. It comes before the outcome is recorded: who
// sees the message fail may rely on it. What the simulator blocks by its magic
// numbers does not count, or each would work only once. When Redis does not
// take it, the next message to the number is refused by Sinch once more.
func (h *Handler) block(m *message.Message, a message.Attempt, o message.Outcome) {
	if !o.Suppress || a.API == string(sinch.APISimulator) {
		return
	}
	if err := h.optOuts.Block(h.life, m.Scope, m.Content.To, m.From, o.SinchCode); err != nil {
		h.log.Warn().Err(err).Str("message_id", string(m.ID)).Msg("block of Sinch not taken in")
	}
}
