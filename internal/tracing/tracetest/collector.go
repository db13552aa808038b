// Package tracetest is an OTLP/HTTP receiver for tests.
package tracetest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a received span.
type Span struct {
	ID         string
	TraceID    string
	Parent     string // id of the parent; empty: it is the first span of its trace
	Name       string
	Service    string
	Links      []string          // ids of the spans that it links to
	Attributes map[string]string // as text; numbers in decimal
	Raw        string            // all of it, as text
}

// Collector receives spans.
type Collector struct {
	*httptest.Server

	mu    sync.Mutex
	spans []Span
}

// Start starts a collector, which ends with the test.
func Start(tb testing.TB) *Collector {
	tb.Helper()
	c := &Collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
			http.Error(w, "no traces", http.StatusBadRequest)
			return
		}
		c.take(&request)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	tb.Cleanup(c.Close)
	return c
}

func (c *Collector) take(request *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, read(span, service))
			}
		}
	}
}

func read(span *otlp.Span, service string) Span {
	s := Span{
		ID: hex.EncodeToString(span.GetSpanId()), TraceID: hex.EncodeToString(span.GetTraceId()),
		Parent: hex.EncodeToString(span.GetParentSpanId()), Name: span.GetName(), Service: service,
		Attributes: make(map[string]string), Raw: span.String(),
	}
	for _, link := range span.GetLinks() {
		s.Links = append(s.Links, hex.EncodeToString(link.GetSpanId()))
	}
	for _, a := range span.GetAttributes() {
		value := a.GetValue().GetStringValue()
		if value == "" {
			value = a.GetValue().String()
		}
		s.Attributes[a.GetKey()] = value
	}
	return s
}

// Spans are all spans so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Find returns the first span that is accepted by is.
func (c *Collector) Find(is func(Span) bool) (Span, bool) {
	for _, s := range c.Spans() {
		if is(s) {
			return s, true
		}
	}
	return Span{}, false
}
