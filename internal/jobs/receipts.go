package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
)

// ReceiptResult says what became of a receipt.
type ReceiptResult string

// The results.
const (
	ReceiptApplied ReceiptResult = "applied"
	ReceiptUnknown ReceiptResult = "unknown_message" // about no message of ours
	ReceiptIgnored ReceiptResult = "ignored"         // about something else than a message
)

// Receipts takes what Sinch reports into the ledger.
type Receipts struct{ ledger *ledger.Ledger }

// NewReceipts makes a receiver of receipts.
func NewReceipts(l *ledger.Ledger) *Receipts { return &Receipts{ledger: l} }

// Apply records one receipt. Only an error of the ledger is an error; then
// Sinch has to be asked to send the receipt again.
func (r *Receipts) Apply(ctx context.Context, got receipt.Receipt) (ReceiptResult, error) {
	if got.Kind != receipt.KindReport {
		return ReceiptIgnored, nil
	}
	id, n, err := message.ParseAttemptRef(got.Ref)
	if err != nil {
		return ReceiptUnknown, nil //nolint:nilerr // not ours: it never will be
	}
	_, err = r.ledger.Update(ctx, id, func(m *message.Message, now time.Time) error {
		return m.Receive(message.Receipt{
			Attempt: n, State: got.State, SinchID: got.SinchID, SentAs: got.SentAs,
			Code: got.Code, SinchCode: got.SinchCode, Detail: got.Detail,
		}, now)
	})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return ReceiptUnknown, nil
	case err != nil:
		return "", fmt.Errorf("apply receipt: %w", err)
	default:
		return ReceiptApplied, nil
	}
}
