package tracing

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// exporter exports the attributes of spans that hold no secret and nothing about a
// person. Libraries add others: paths and queries, addresses and agents of callers.
type exporter struct {
	next   sdktrace.SpanExporter
	report func(error)
}

// ExportSpans implements sdktrace.SpanExporter. It returns no error, which the SDK
// would log by itself.
func (e exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	shown := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		shown[i] = scrubbed{span}
	}
	e.report(e.next.ExportSpans(ctx, shown))
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e exporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) } //nolint:wrapcheck // a wrapper

// scrubbed is a span without the attributes and events that are not known to be
// harmless.
type scrubbed struct{ sdktrace.ReadOnlySpan }

// Attributes implements sdktrace.ReadOnlySpan.
func (s scrubbed) Attributes() []attribute.KeyValue {
	server := s.SpanKind() == trace.SpanKindServer
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Attributes()), func(a attribute.KeyValue) bool {
		key := string(a.Key)
		return !strings.HasPrefix(key, attributePrefix) && !slices.Contains(harmless(), key) &&
			(server || key != attributeServer) // that of a request is what its header Host says
	})
}

// Events implements sdktrace.ReadOnlySpan: those with attributes, as of panics, may
// hold anything.
func (s scrubbed) Events() []sdktrace.Event {
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Events()), func(e sdktrace.Event) bool { return len(e.Attributes) > 0 })
}

// harmless are the attributes of OpenTelemetry that are exported.
func harmless() []string {
	return []string{
		"error.type", "http.request.method", "http.route", attributeHTTP, "network.protocol.version", "url.scheme",
	}
}
