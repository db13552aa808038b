package httpapi

import (
	"context"
	"fmt"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/suppression"
)

// handleInbound passes STOP and START words to the opt-outs; any other inbound
// message is only counted. The result is the label of the receipt metric.
func (a *api) handleInbound(ctx context.Context, got receipt.Receipt) (result string, err error) {
	meaning, word := suppression.Classify(got.Inbound.Text)
	if meaning == suppression.Other {
		return "inbound", nil
	}
	number, ok := a.phoneOf(got.Inbound.From)
	if !ok {
		return "inbound", nil // messages go to phones only
	}
	err = a.OptOuts.HandleInbound(ctx, suppression.Inbound{
		Number: number, Sender: message.CanonicalSender(got.Inbound.To), Meaning: meaning, Word: word, At: got.At,
	})
	if err != nil {
		return "", fmt.Errorf("record %s: %w", meaning, err)
	}
	return "inbound_" + string(meaning), nil
}

// phoneOf converts the digits that Sinch sends into E.164. They begin with the
// country code, which some carriers leave out.
func (a *api) phoneOf(digits string) (number string, ok bool) {
	if number, ok = a.Rules.Phone("+" + digits); ok {
		return number, true
	}
	return a.Rules.Phone(digits)
}
