package jobs

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
)

// A receipt that brings no reference of ours finds its message by Sinch's id, of
// the API that gave it.
func TestReceiptsJoinBySinchsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.run(t)
	sent := b.await(t, m.ID, message.StatusSent)
	shape := receipt.Shape(sent.Calls[0].API)
	receiver := receipts.New(b.ledger, b.optOuts, nil, nil, zerolog.Nop())
	apply := func(got receipt.Receipt, want receipts.Result) {
		t.Helper()
		got.Kind, got.State, got.SinchCode = receipt.KindReport, message.ReceiptDelivered, "N102"
		if result, err := receiver.Apply(t.Context(), got); err != nil || result != want {
			t.Errorf("%+v: %s, %v; want %s", got, result, err, want)
		}
	}
	apply(receipt.Receipt{Shape: shape}, receipts.Unknown)
	apply(receipt.Receipt{Shape: shape, SinchID: sent.SinchID + "x"}, receipts.Unknown)
	apply(receipt.Receipt{Shape: shape + "x", SinchID: sent.SinchID}, receipts.Unknown)
	b.await(t, m.ID, message.StatusSent)
	apply(receipt.Receipt{Shape: shape, SinchID: sent.SinchID, Ref: "order-1"}, receipts.Applied)
	b.await(t, m.ID, message.StatusDelivered)
	apply(receipt.Receipt{Shape: shape, SinchID: sent.SinchID}, receipts.Applied) // once more is harmless
}

// A receipt of another API and one that proves nothing do not change the state; the
// second is an entry of the timeline.
func TestReceiptsThatProveNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.run(t)
	sent := b.await(t, m.ID, message.StatusSent)
	receiver := receipts.New(b.ledger, b.optOuts, nil, nil, zerolog.Nop())
	for _, tc := range []struct {
		got   receipt.Receipt
		want  receipts.Result
		lines int
	}{
		{receipt.Receipt{Shape: receipt.ShapeSimulator, State: message.ReceiptDelivered, SinchCode: "N102"}, receipts.Foreign, 0},
		{receipt.Receipt{Shape: "fake", Unproven: receipt.UnprovenContradiction, SinchCode: "Failed 0"}, "contradiction", 1},
		{receipt.Receipt{Shape: "fake", Unproven: receipt.UnprovenContradiction, SinchCode: "Failed 0"}, "contradiction", 1}, // again
		{receipt.Receipt{Shape: "fake", Unproven: receipt.UnprovenCode, SinchCode: "999"}, "unknown_code", 2},
	} {
		tc.got.Kind, tc.got.Ref = receipt.KindReport, m.ID.AttemptRef(1)
		if result, err := receiver.Apply(t.Context(), tc.got); err != nil || result != tc.want {
			t.Errorf("%+v: %s, %v; want %s", tc.got, result, err, tc.want)
		}
		after := b.await(t, m.ID, message.StatusSent)
		if added := len(after.Timeline) - len(sent.Timeline); added != tc.lines || after.Reason != nil {
			t.Errorf("%+v: %d new lines, reason %+v; want %d", tc.got, added, after.Reason, tc.lines)
		}
	}
}

// The receipt of a multi-recipient send needs the recipient, too.
func TestReceiptsOfAMultiCallMatchBySinchsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.bulk()
	messages := b.acceptBatch(t, 3)
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	sent := b.await(t, messages[1].ID, message.StatusSent)
	result, err := receipts.New(b.ledger, b.optOuts, nil, nil, zerolog.Nop()).Apply(t.Context(), receipt.Receipt{
		Kind: receipt.KindReport, Shape: receipt.Shape(sent.Calls[0].API), SinchID: sent.SinchID,
		Recipient: strings.TrimPrefix(sent.Content.To, "+"), State: message.ReceiptDelivered, SinchCode: "0",
	})
	if err != nil || result != receipts.Applied {
		t.Fatalf("%s, %v", result, err)
	}
	b.await(t, sent.ID, message.StatusDelivered)
	b.await(t, messages[0].ID, message.StatusSent)
}
