package message_test

import (
	"testing"

	"mmsdispatch/internal/message"
)

func TestTraceParent(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	trace := message.ParseTrace(parent)
	if trace.Parent() != parent || trace.ID() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("%q, %q", trace.Parent(), trace.ID())
	}
	traceID, spanID, ok := trace.IDs()
	if again := message.NewTrace(traceID, spanID); !ok || again != trace {
		t.Errorf("%x, %v", again, ok)
	}
	for _, other := range []string{
		"", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
	} {
		if got := message.ParseTrace(other); got != "" || got.Parent() != "" || got.ID() != "" {
			t.Errorf("%q is the trace %q", other, got)
		}
		if _, _, ok := message.Trace(other).IDs(); ok {
			t.Errorf("%q has ids", other)
		}
	}
}
