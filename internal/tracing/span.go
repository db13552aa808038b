package tracing

import (
	"context"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"mmsdispatch/internal/message"
)

// Span is a span of a message's trace.
type Span struct {
	span   trace.Span
	tracer *Tracer
}

// Attributes of spans. Their names begin with attributePrefix, but for those that
// OpenTelemetry specifies.
const (
	attributePrefix = "mms."

	attributeMessage   = attributePrefix + "message_id"
	attributeBatch     = attributePrefix + "batch_id"
	attributeTenant    = attributePrefix + "tenant"
	attributeLane      = attributePrefix + "lane"
	attributeTest      = attributePrefix + "test"
	attributeAttempt   = attributePrefix + "attempt"
	attributeAPI       = attributePrefix + "api"
	attributeOutcome   = attributePrefix + "outcome"
	attributeCode      = attributePrefix + "code"
	attributeSinchCode = attributePrefix + "sinch_code"
	attributeStatus    = attributePrefix + "status"
	attributeReceipt   = attributePrefix + "receipt"
	attributeWhy       = attributePrefix + "waits"
	attributeEvent     = attributePrefix + "event"

	attributeServer = "server.address"
	attributeHTTP   = "http.response.status_code"
)

// of describes a message: by nothing that it says, and to nobody.
func of(m *message.Message) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String(attributeMessage, string(m.ID)),
		attribute.String(attributeTenant, m.Scope.Tenant),
		attribute.String(attributeLane, string(m.Content.Priority)),
	}
	if m.BatchID != "" {
		all = append(all, attribute.String(attributeBatch, string(m.BatchID)))
	}
	if m.Scope.Test {
		all = append(all, attribute.Bool(attributeTest, true))
	}
	return all
}

// Trace is the span as a record has it; empty for a nil Span.
func (s *Span) Trace() message.Trace {
	if s == nil {
		return ""
	}
	return traceOf(s.span.SpanContext())
}

// Of makes the span the parent of the next change of a message.
func (s *Span) Of(m *message.Message) {
	if s != nil {
		m.Trace = s.Trace()
	}
}

// Message describes the message of the span.
func (s *Span) Message(m *message.Message) {
	if s != nil {
		s.span.SetAttributes(of(m)...)
	}
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// Waits ends the span of a run that made no call, with the reason.
func (s *Span) Waits(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.span.SetAttributes(attribute.String(attributeWhy, err.Error()))
	}
	s.span.End()
}

// Call begins the span of a call to Sinch within that of a run. It begins before the
// attempt is recorded, so that the record has it.
func (s *Span) Call(api, baseURL string) *Span {
	if s == nil {
		return nil
	}
	ctx := trace.ContextWithSpan(context.Background(), s.span)
	//nolint:spancheck // the caller ends it
	_, span := s.tracer.tracer.Start(ctx, "sinch "+api, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String(attributeAPI, api), attribute.String(attributeServer, host(baseURL))))
	return &Span{span: span, tracer: s.tracer} //nolint:spancheck // the caller ends it
}

// Begun marks the time at which the attempt was recorded and the request is written.
func (s *Span) Begun(m *message.Message, a message.Attempt) {
	if s == nil {
		return
	}
	s.Message(m)
	s.span.SetAttributes(attribute.Int(attributeAttempt, a.N))
	s.span.AddEvent("begun")
}

// NotBegun ends the span of a call that was not made.
func (s *Span) NotBegun() {
	if s == nil {
		return
	}
	s.span.SetStatus(codes.Error, "not begun")
	s.span.End()
}

// Outcome ends the span of a call with its outcome, and with the state of the message
// after it; nil: it could not be recorded.
func (s *Span) Outcome(o message.Outcome, after *message.Message) {
	if s == nil {
		return
	}
	s.span.SetAttributes(attribute.String(attributeOutcome, string(o.Kind)))
	if after != nil {
		s.span.SetAttributes(attribute.String(attributeStatus, string(after.Status)))
	}
	if o.Code != "" {
		s.span.SetAttributes(attribute.String(attributeCode, string(o.Code)))
	}
	if o.SinchCode != "" {
		s.span.SetAttributes(attribute.String(attributeSinchCode, o.SinchCode))
	}
	if o.Kind != message.OutcomeAccepted {
		s.span.SetStatus(codes.Error, string(o.Kind))
	}
	s.span.End()
}

// Received ends the span of a receipt.
func (s *Span) Received(id message.ID, attempt int, state, sinchCode string) {
	if s == nil {
		return
	}
	s.span.SetAttributes(
		attribute.String(attributeMessage, string(id)), attribute.Int(attributeAttempt, attempt),
		attribute.String(attributeReceipt, state), attribute.String(attributeSinchCode, sinchCode))
	s.span.End()
}

// callbackDelivered is the outcome of a callback that was delivered.
const callbackDelivered = "delivered"

// Delivered ends the span of an attempt to deliver a callback.
func (s *Span) Delivered(event, address, outcome string, response int) {
	if s == nil {
		return
	}
	s.span.SetAttributes(
		attribute.String(attributeEvent, event), attribute.String(attributeServer, host(address)),
		attribute.String(attributeOutcome, outcome), attribute.Int(attributeHTTP, response))
	if outcome != callbackDelivered {
		s.span.SetStatus(codes.Error, outcome)
	}
	s.span.End()
}

// host is the name of the server of a URL, of which nothing else is shown.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// spanKey is the key of a Span in a context.
type spanKey struct{}

// With returns a context with a span.
func With(ctx context.Context, s *Span) context.Context { return context.WithValue(ctx, spanKey{}, s) }

// From returns the span of a context; nil: it has none.
func (t *Tracer) From(ctx context.Context) *Span {
	if t == nil {
		return nil
	}
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}
