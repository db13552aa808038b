package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mmsdispatch/internal/tracing/tracetest"
	"mmsdispatch/test/harness"
)

// traced exports spans to a receiver without delay.
func traced(to *tracetest.Collector) option {
	return func(s *settings) {
		s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = to.URL
		s.env["OTEL_BSP_SCHEDULE_DELAY"] = "50"
	}
}

// ancestors are the names of a span's ancestors, the first one last; whole is false
// when one of them has not arrived.
func ancestors(spans []tracetest.Span, of tracetest.Span) (names []string, whole bool) {
	for of.Parent != "" {
		i := slices.IndexFunc(spans, func(s tracetest.Span) bool { return s.ID == of.Parent && s.TraceID == of.TraceID })
		if i < 0 {
			return names, false
		}
		of = spans[i]
		names = append(names, of.Service+" "+of.Name)
	}
	return names, true
}

// awaitChain waits for the callback of a state of a message and returns the names of
// its ancestors.
func (s *stack) awaitChain(receiver *tracetest.Collector, id, event string) (chain []string) {
	s.t.Helper()
	s.await("the trace of the callback", harness.Patience, func() (bool, string) {
		spans := receiver.Spans()
		for _, span := range spans {
			if span.Attributes["mms.message_id"] == id && span.Attributes["mms.event"] == event {
				var whole bool
				chain, whole = ancestors(spans, span)
				return whole, fmt.Sprint(chain)
			}
		}
		return false, fmt.Sprintf("%d spans, none of it", len(spans))
	})
	return chain
}

// A message is one trace over all processes, from its request to its callback, and
// no span has anything private.
func TestMessageIsOneTrace(t *testing.T) {
	t.Parallel()
	receiver := tracetest.Start(t)
	s := start(t, traced(receiver), with("CALLBACK_ALLOW_PRIVATE", "true"))
	hook := listen(t, ok)
	id := s.send(message{"callbackUrl": hook.URL + "/hook?secret=" + secretText()})
	s.awaitStatus(id, "delivered")
	chain := slices.Compact(s.awaitChain(receiver, id, "message.delivered")) // a receipt can follow another
	want := []string{
		"mmsdispatch-api receipt", "mmsdispatch-worker sinch mms", "mmsdispatch-worker dispatch", "mmsdispatch-api POST /v1/messages",
	}
	if !slices.Equal(chain, want) {
		t.Errorf("ancestors of the callback: %q", chain)
	}
	s.wantNothingPrivate(receiver)
}

// Messages of a batch have traces that link to the request of the batch, also those
// that one call to Sinch carries.
func TestBatchIsLinkedToItsMessages(t *testing.T) {
	t.Parallel()
	receiver := tracetest.Start(t)
	s := start(t, traced(receiver), over(batches))
	same := s.fill(message{"callbackUrl": nil})
	rows := make([]string, 3)
	for i := range rows {
		to := asText(s.fill(message{})["to"])
		rows[i] = fmt.Sprintf(`{"to":%q,"text":%q,"mediaUrl":%q}`, to, same["text"], same["mediaUrl"])
	}
	s.awaitDone(s.stream("", rows).ID)
	s.await("the calls of all messages", harness.Patience, func() (bool, string) {
		spans, calls := receiver.Spans(), 0
		for _, span := range spans {
			if span.Name != "sinch batches" {
				continue
			}
			chain, whole := ancestors(spans, span)
			if !whole {
				return false, fmt.Sprint(chain)
			}
			if want := []string{"mmsdispatch-worker dispatch", "mmsdispatch-api accept"}; !slices.Equal(slices.Compact(chain), want) {
				t.Fatalf("ancestors of a call: %q", chain)
			}
			calls++
		}
		return calls >= len(rows), fmt.Sprint(calls)
	})
	request, found := receiver.Find(func(span tracetest.Span) bool { return span.Name == "POST /v1/batches" })
	for _, span := range receiver.Spans() {
		if span.Name == "accept" && (!found || !slices.Equal(span.Links, []string{request.ID}) || span.TraceID == request.TraceID) {
			t.Errorf("%+v does not link to %+v", span, request)
		}
	}
	s.wantNothingPrivate(receiver)
}

// Without an endpoint there is neither a header in the queue nor a trace in a record.
func TestNoTracesByDefault(t *testing.T) {
	t.Parallel()
	s := start(t, workers(0))
	caller := harness.Header{Name: "Traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	s.send(message{}, harness.Bearer(s.key), caller)
	rdb := s.redis.Client(t)
	s.await("the task", harness.Patience, func() (bool, string) {
		return len(rdb.Keys(t.Context(), "asynq:*:t:*").Val()) == 1, ""
	})
	for _, key := range rdb.Keys(t.Context(), "*").Val() {
		for _, part := range []string{"traceparent", "0af7651916cd43dd8448eb211c80319c", "\x0a\xf7\x65\x19\x16\xcd\x43\xdd"} {
			kept := rdb.Dump(t.Context(), key).Val()
			if strings.Contains(kept, part) {
				t.Errorf("%s has %q", key, part)
			}
		}
	}
}

// wantNothingPrivate searches the spans.
func (s *stack) wantNothingPrivate(receiver *tracetest.Collector) {
	s.t.Helper()
	for _, span := range receiver.Spans() {
		for _, leak := range s.private.found([]byte(span.Raw)) {
			s.t.Errorf("a span has %s", leak)
		}
	}
}
