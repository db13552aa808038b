package jobs

import (
	"strings"
	"testing"

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
	receipts := NewReceipts(b.ledger, b.optOuts, nil)
	apply := func(got receipt.Receipt, want ReceiptResult) {
		t.Helper()
		got.Kind, got.State, got.SinchCode = receipt.KindReport, message.ReceiptDelivered, "N102"
		if result, err := receipts.Apply(t.Context(), got); err != nil || result != want {
			t.Errorf("%+v: %s, %v; want %s", got, result, err, want)
		}
	}
	apply(receipt.Receipt{Shape: shape}, ReceiptUnknown)
	apply(receipt.Receipt{Shape: shape, SinchID: sent.SinchID + "x"}, ReceiptUnknown)
	apply(receipt.Receipt{Shape: shape + "x", SinchID: sent.SinchID}, ReceiptUnknown)
	b.await(t, m.ID, message.StatusSent)
	apply(receipt.Receipt{Shape: shape, SinchID: sent.SinchID, Ref: "order-1"}, ReceiptApplied)
	b.await(t, m.ID, message.StatusDelivered)
	apply(receipt.Receipt{Shape: shape, SinchID: sent.SinchID}, ReceiptApplied) // once more is harmless
}

// A receipt of a shared call needs its recipient besides.
func TestReceiptsOfASharedCallJoinBySinchsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.bulk()
	messages := b.acceptBatch(t, 3)
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	sent := b.await(t, messages[1].ID, message.StatusSent)
	result, err := NewReceipts(b.ledger, b.optOuts, nil).Apply(t.Context(), receipt.Receipt{
		Kind: receipt.KindReport, Shape: receipt.Shape(sent.Calls[0].API), SinchID: sent.SinchID,
		Recipient: strings.TrimPrefix(sent.Content.To, "+"), State: message.ReceiptDelivered, SinchCode: "0",
	})
	if err != nil || result != ReceiptApplied {
		t.Fatalf("%s, %v", result, err)
	}
	b.await(t, sent.ID, message.StatusDelivered)
	b.await(t, messages[0].ID, message.StatusSent)
}
