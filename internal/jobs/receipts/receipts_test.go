package receipts

import (
	"slices"
	"testing"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch/receipt"
)

// A receipt matches only an attempt made through the API that writes such receipts;
// the built-in simulator's match no attempt of Sinch.
func TestReceiptsMatchAttemptsOfTheirAPIOnly(t *testing.T) {
	t.Parallel()
	for api, matching := range map[string][]receipt.Shape{
		"mms":          {receipt.ShapeMMS},
		"batches":      {receipt.ShapeBatches},
		"conversation": {receipt.ShapeConversation},
		"simulator":    {receipt.ShapeSimulator},
	} {
		m := &message.Message{Calls: []message.Attempt{{N: 1, API: api}}}
		for _, shape := range []receipt.Shape{
			receipt.ShapeMMS, receipt.ShapeBatches, receipt.ShapeConversation, receipt.ShapeSimulator, receipt.ShapeUnknown,
		} {
			if got, want := matches(m, 1, shape), slices.Contains(matching, shape); got != want {
				t.Errorf("attempt through %s, receipt of %s: matches %t, want %t", api, shape, got, want)
			}
		}
	}
	for _, test := range []bool{false, true} { // Redis lost the attempt
		m := &message.Message{Scope: message.Scope{Test: test}}
		if matches(m, 1, receipt.ShapeSimulator) != test || matches(m, 1, receipt.ShapeMMS) == test {
			t.Errorf("test message %t: a lost attempt matches the wrong receipts", test)
		}
	}
}
