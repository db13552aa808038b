package httpapi

import (
	"context"
	"fmt"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/suppression"
)

// hear takes an inbound message in: STOP and START words go to the opt-outs,
// and all else is only counted. The result says what it was.
func (a *api) hear(ctx context.Context, got receipt.Receipt) (result string, err error) {
	meaning, word := suppression.Understand(got.Inbound.Text)
	if meaning == suppression.Other {
		return "inbound", nil
	}
	number, ok := a.phoneOf(got.Inbound.From)
	if !ok {
		return "inbound", nil // messages go to phones only
	}
	err = a.OptOuts.Hear(ctx, suppression.Heard{
		Number: number, Sender: message.CanonicalSender(got.Inbound.To), Meaning: meaning, Word: word, At: got.At,
	})
	if err != nil {
		return "", fmt.Errorf("hear %s: %w", meaning, err)
	}
	return "inbound_" + string(meaning), nil
}

// phoneOf brings the digits that Sinch writes into E.164: the country comes
// first, but a carrier may leave it out.
func (a *api) phoneOf(digits string) (number string, ok bool) {
	if number, ok = a.Rules.Phone("+" + digits); ok {
		return number, true
	}
	return a.Rules.Phone(digits)
}
