// Package tracing makes the OpenTelemetry spans of messages: of the request that
// accepts one, of each run of its task, of each call to Sinch, and of its receipts and
// callbacks. The record of a message has the span that changed it last, which is the
// parent of the next one, so that all of them are one trace in any number of
// processes.
//
// A nil Tracer and a nil Span do nothing and allocate nothing.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"mmsdispatch/internal/message"
)

// Options configure a tracer. What they leave open is read by the SDK from the
// variables that OpenTelemetry specifies, such as OTEL_TRACES_SAMPLER.
type Options struct {
	Endpoint string // base URL of an OTLP receiver; empty: that of the environment
	Service  string // name of the process, unless OTEL_SERVICE_NAME is set
	Version  string
	// Report takes the result of each export.
	Report func(error)
}

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// tracesPath is appended to the base URL of an OTLP receiver.
const tracesPath = "/v1/traces"

// instrumentation is the name of the scope of all spans.
const instrumentation = "mmsdispatch"

// New makes a tracer that exports over OTLP/HTTP. The receiver need not be running.
func New(ctx context.Context, o Options) (*Tracer, error) {
	var opts []otlptracehttp.Option
	if o.Endpoint != "" {
		opts = append(opts, otlptracehttp.WithEndpointURL(strings.TrimRight(o.Endpoint, "/")+tracesPath))
	}
	otlp, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(o.Service), semconv.ServiceVersion(o.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exporter{otlp, o.Report}))
	return &Tracer{provider: provider, tracer: provider.Tracer(instrumentation, trace.WithInstrumentationVersion(o.Version))}, nil
}

// Stop exports the spans that have ended.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// Handler makes a span of each request whose path is traced. A request to a public
// path begins a trace of its own and links to the caller's, who is not known; any
// other continues the trace of its caller.
func (t *Tracer) Handler(next http.Handler, traced, public func(path string) bool) http.Handler {
	return otelhttp.NewHandler(next, "",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(func(r *http.Request) bool { return traced(r.URL.Path) }),
		otelhttp.WithPublicEndpointFn(func(r *http.Request) bool { return public(r.URL.Path) }),
		otelhttp.WithSpanNameFormatter(func(string, *http.Request) string { return "HTTP" }), // until Routed
	)
}

// Routed names the span of a request by its method and its route, as a template;
// empty: there is no such route.
func (t *Tracer) Routed(ctx context.Context, method, route string) {
	if t == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	if route == "" {
		span.SetName(method)
		return
	}
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.route", route))
}

// Request is the span of a request; empty: it is not traced.
func (t *Tracer) Request(ctx context.Context) message.Trace {
	if t == nil {
		return ""
	}
	return traceOf(trace.SpanContextFromContext(ctx))
}

// Accepted describes the message on the span of the request that has accepted it.
func (t *Tracer) Accepted(ctx context.Context, m *message.Message) {
	if t == nil {
		return
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(of(m)...)
	}
}

// Rows begins the traces of n messages of a batch, which link to the request that
// submits them. The spans of messages that are not sampled are nil, all of them: so is
// the slice. Those that do not end are not exported.
func (t *Tracer) Rows(request message.Trace, n int) []*Span {
	if t == nil {
		return nil
	}
	var spans []*Span
	var links []trace.Link
	if parent, ok := parentOf(request); ok {
		links = []trace.Link{{SpanContext: parent}}
	}
	for i := range n {
		_, span := t.tracer.Start(context.Background(), "accept", trace.WithNewRoot(), trace.WithLinks(links...),
			trace.WithSpanKind(trace.SpanKindProducer))
		if !span.SpanContext().IsSampled() {
			continue
		}
		if spans == nil {
			spans = make([]*Span, n)
		}
		spans[i] = &Span{span: span, tracer: t}
	}
	return spans
}

// Dispatch begins the span of a run of a message's task. parent is the trace of the
// task; empty: that of the message is taken.
func (t *Tracer) Dispatch(parent message.Trace, m *message.Message, begun time.Time) *Span {
	if t == nil {
		return nil
	}
	if parent == "" {
		parent = m.Trace
	}
	if parent == "" { // options take memory
		return nil
	}
	s := t.start(parent, "dispatch", trace.SpanKindConsumer, trace.WithTimestamp(begun))
	s.Message(m)
	return s
}

// Receipt begins the span of a receipt of a message, which links to the request that
// brought it.
func (t *Tracer) Receipt(ctx context.Context, m *message.Message) *Span {
	if t == nil || m.Trace == "" {
		return nil
	}
	var opts []trace.SpanStartOption
	if request := trace.SpanContextFromContext(ctx); request.IsSampled() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: request}))
	}
	return t.start(m.Trace, "receipt", trace.SpanKindConsumer, opts...)
}

// Callback begins the span of an attempt to deliver a callback about a message.
func (t *Tracer) Callback(parent message.Trace, id message.ID) *Span {
	if t == nil || parent == "" {
		return nil
	}
	return t.start(parent, "callback", trace.SpanKindClient, trace.WithAttributes(attribute.String(attributeMessage, string(id))))
}

// start begins a span below parent. It returns nil when there is none, or when the
// sampler of this process drops it.
func (t *Tracer) start(parent message.Trace, name string, kind trace.SpanKind, opts ...trace.SpanStartOption) *Span {
	remote, ok := parentOf(parent)
	if !ok {
		return nil
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote)
	_, span := t.tracer.Start(ctx, name, append(opts, trace.WithSpanKind(kind))...)
	if !span.SpanContext().IsSampled() {
		return nil
	}
	return &Span{span: span, tracer: t}
}

// parentOf is a trace as the SDK has it. Only sampled spans are recorded.
func parentOf(t message.Trace) (trace.SpanContext, bool) {
	traceID, spanID, ok := t.IDs()
	if !ok {
		return trace.SpanContext{}, false
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled})
	return sc, sc.IsValid()
}

// traceOf is a span as a record has it; empty for one that is not sampled.
func traceOf(sc trace.SpanContext) message.Trace {
	if !sc.IsValid() || !sc.IsSampled() {
		return ""
	}
	return message.NewTrace(sc.TraceID(), sc.SpanID())
}
