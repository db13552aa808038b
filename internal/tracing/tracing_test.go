package tracing_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/tracing"
	"mmsdispatch/internal/tracing/tracetest"
)

func newTracer(t *testing.T, endpoint string, report func(error)) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), tracing.Options{Endpoint: endpoint, Service: "test", Version: "v1", Report: report})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func testMessage() *message.Message {
	m := message.New(message.NewID(message.RandomIdentity(), time.Now()), message.Scope{Tenant: "acme"},
		message.Content{To: "+12065551212", Text: "secret text", Priority: message.Normal}, "+12065550100", time.Now())
	return m
}

// serve sends one request to a traced handler, and returns what run returns.
func serve(t *testing.T, tracer *tracing.Tracer, path string, header http.Header, run func(ctx context.Context) message.Trace) message.Trace {
	t.Helper()
	var trace message.Trace
	handler := tracer.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { trace = run(r.Context()) }),
		func(path string) bool { return path != "/health" }, func(path string) bool { return path == "/hook" })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}"))
	r.Header = header
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return trace
}

// The spans of a message are one chain, whichever process makes them.
func TestSpansAreOneTrace(t *testing.T) {
	t.Parallel()
	receiver := tracetest.Start(t)
	api, worker := newTracer(t, receiver.URL, func(error) {}), newTracer(t, receiver.URL+"/", func(error) {})
	m := testMessage()
	m.Trace = serve(t, api, "/v1/messages?to=%2B12065551212", http.Header{"User-Agent": {"agent +12065551212"}}, func(ctx context.Context) message.Trace {
		api.Routed(ctx, "POST", "/v1/messages")
		api.Accepted(ctx, m)
		return api.Request(ctx)
	})
	run := worker.Dispatch("", m, time.Now())
	call := run.Call("mms", "https://user:pass@mms.sinch.com/path?token=x")
	call.Of(m)
	call.Begun(m, message.Attempt{N: 1})
	call.Outcome(message.Outcome{Kind: message.OutcomeThrottled, Code: "throttled", SinchCode: "E1"}, m)
	run.Waits(errors.New("waits: next try"))
	serve(t, api, "/hook?token=secret-token", nil, func(ctx context.Context) message.Trace {
		api.Routed(ctx, "POST", "/hook")
		receipt := api.Receipt(ctx, m)
		receipt.Of(m)
		receipt.Received(m.ID, 1, "delivered", "N102")
		return ""
	})
	worker.Callback(m.Trace, m.ID).Delivered("message.delivered", "https://user:pass@example.com/a/b?c=d", "retry", 503)
	for _, tracer := range []*tracing.Tracer{api, worker} {
		if err := tracer.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	parent, traceID := "", ""
	for _, name := range []string{"POST /v1/messages", "dispatch", "sinch mms", "receipt", "callback"} {
		span, ok := receiver.Find(func(s tracetest.Span) bool { return s.Name == name })
		if !ok || span.Parent != parent || traceID != "" && span.TraceID != traceID {
			t.Fatalf("%s: %v, parent %s, want %s: %+v", name, ok, span.Parent, parent, receiver.Spans())
		}
		parent, traceID = span.ID, span.TraceID
		for _, private := range []string{"2065551212", "2065550100", "secret", "token", "user:pass", "/path", "/a/b", "agent", "192.0.2"} {
			if strings.Contains(span.Raw, private) {
				t.Errorf("%s contains %q: %s", name, private, span.Raw)
			}
		}
	}
	receipt, _ := receiver.Find(func(s tracetest.Span) bool { return s.Name == "receipt" })
	hook, ok := receiver.Find(func(s tracetest.Span) bool { return s.Name == "POST /hook" })
	if !ok || hook.TraceID == traceID || !slices.Equal(receipt.Links, []string{hook.ID}) {
		t.Errorf("the receipt links to %v, the request is %+v", receipt.Links, hook)
	}
	call2, _ := receiver.Find(func(s tracetest.Span) bool { return s.Name == "sinch mms" })
	if a := call2.Attributes; a["mms.message_id"] != string(m.ID) || a["mms.outcome"] != "throttled" || a["server.address"] != "mms.sinch.com" ||
		a["mms.sinch_code"] != "E1" || call2.Service != "test" {
		t.Errorf("call: %+v", call2)
	}
}

// A caller's trace is continued, but not that of a request from anybody.
func TestTraceOfTheCaller(t *testing.T) {
	t.Parallel()
	receiver := tracetest.Start(t)
	tracer := newTracer(t, receiver.URL, func(error) {})
	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	header := http.Header{"Traceparent": {caller}}
	if got := serve(t, tracer, "/v1/messages", header, tracer.Request); got.ID() != message.ParseTrace(caller).ID() {
		t.Errorf("a caller's request has the trace %s", got.ID())
	}
	if got := serve(t, tracer, "/hook", header, tracer.Request); got == "" || got.ID() == message.ParseTrace(caller).ID() {
		t.Errorf("anybody's request has the trace %q", got.ID())
	}
	unsampled := http.Header{"Traceparent": {strings.TrimSuffix(caller, "1") + "0"}}
	if got := serve(t, tracer, "/v1/messages", unsampled, tracer.Request); got != "" {
		t.Errorf("a request that is not sampled has the trace %q", got.ID())
	}
	if got := serve(t, tracer, "/health", header, tracer.Request); got != "" {
		t.Errorf("a request that is not traced has the trace %q", got.ID())
	}
	if err := tracer.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Messages of a batch have traces of their own, which link to its request.
func TestRowsLinkToTheirRequest(t *testing.T) {
	t.Parallel()
	receiver := tracetest.Start(t)
	tracer := newTracer(t, receiver.URL, func(error) {})
	request := serve(t, tracer, "/v1/batches", nil, func(ctx context.Context) message.Trace {
		tracer.Routed(ctx, "POST", "")
		return tracer.Request(ctx)
	})
	rows := tracer.Rows(request, 3)
	rows[0].Message(testMessage())
	rows[0].End()
	rows[2].End() // the second one was a duplicate
	if err := tracer.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch, _ := receiver.Find(func(s tracetest.Span) bool { return s.Name == "POST" })
	accepted := 0
	for _, s := range receiver.Spans() {
		if s.Name != "accept" {
			continue
		}
		accepted++
		if s.Parent != "" || s.TraceID == batch.TraceID || !slices.Equal(s.Links, []string{batch.ID}) {
			t.Errorf("%+v", s)
		}
	}
	if accepted != 2 {
		t.Errorf("%d messages were accepted", accepted)
	}
}

// What fails is reported, and no trace is an error of what is traced.
func TestExportFails(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(refusing.Close)
	var reported error
	tracer := newTracer(t, refusing.URL, func(err error) { reported = err })
	serve(t, tracer, "/v1/messages", nil, tracer.Request)
	if err := tracer.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if reported == nil {
		t.Error("nothing was reported")
	}
}

// Tracing that is off costs no allocation, nor does a message that is not traced.
func TestOffCostsNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of other tests, too
	receiver := tracetest.Start(t)
	on := newTracer(t, receiver.URL, func(error) {})
	m, ctx, now := testMessage(), t.Context(), time.Now()
	for name, tracer := range map[string]*tracing.Tracer{"off": nil, "not sampled": on} {
		allocs := testing.AllocsPerRun(100, func() {
			run := tracer.Dispatch("", m, now)
			call := tracer.From(ctx).Call("mms", "https://mms.sinch.com")
			call.Of(m)
			call.Begun(m, message.Attempt{N: 1})
			call.NotBegun()
			call.Outcome(message.Outcome{Kind: message.OutcomeAccepted}, m)
			run.Waits(nil)
			receipt := tracer.Receipt(ctx, m)
			receipt.Of(m)
			receipt.Received(m.ID, 1, "delivered", "")
			tracer.Callback(m.Trace, m.ID).Delivered("message.sent", "https://example.com", "delivered", 200)
		})
		if allocs != 0 || m.Trace != "" {
			t.Errorf("%s: %v allocations, trace %q", name, allocs, m.Trace)
		}
	}
	var off *tracing.Tracer
	if allocs := testing.AllocsPerRun(100, func() {
		off.Routed(ctx, "POST", "/v1/messages")
		off.Accepted(ctx, m)
		if off.Request(ctx) != "" || off.Rows("", 1000) != nil {
			t.Error("there is a span")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations of a request", allocs)
	}
	if err := errors.Join(off.Stop(ctx), on.Stop(ctx)); err != nil {
		t.Error(err)
	}
}
