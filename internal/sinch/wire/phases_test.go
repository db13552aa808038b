package wire_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// phasesOf makes a call and returns its phases.
func phasesOf(t *testing.T, c *wire.Client, r wire.Request) *message.Phases {
	t.Helper()
	ctx, phases := sinch.WithPhases(t.Context())
	_, _ = c.Do(ctx, r) // its outcome is none of this test
	return phases.Last()
}

// A first call has all phases, and the next one over its connection only the last.
func TestPhases(t *testing.T) {
	t.Parallel()
	const served = 20 * time.Millisecond
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-time.After(served) // the time that the first byte takes
	}))
	t.Cleanup(server.Close)
	transport, _ := server.Client().Transport.(*http.Transport)
	c := client(t, wire.Options{Connections: 1, TLS: transport.TLSClientConfig})
	first := phasesOf(t, c, call(server.URL, "1"))
	if first == nil || first.Reused || !first.Answered || first.Connect <= 0 || first.TLS <= 0 || first.FirstByte < served {
		t.Errorf("a new connection: %+v", first)
	}
	second := phasesOf(t, c, call(server.URL, "2"))
	if second == nil || !second.Reused || !second.Answered || second.Connect != 0 || second.TLS != 0 || second.FirstByte < served {
		t.Errorf("a used connection: %+v", second)
	}
}

// The phase in which a call failed lasts until its end.
func TestPhasesOfFailures(t *testing.T) {
	t.Parallel()
	nameless := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
	c := client(t, wire.Options{Dial: (&net.Dialer{Resolver: nameless}).DialContext})
	late := call(listen(t, hang).url(), "hangs")
	late.Deadline = time.Now().Add(brief)
	if got := phasesOf(t, c, late); got == nil || got.Answered || got.FirstByte <= 0 {
		t.Errorf("no answer: %+v", got)
	}
	if got := phasesOf(t, c, call("http://name.invalid:1", "no name")); got == nil || got.Answered || got.DNS <= 0 || got.FirstByte != 0 {
		t.Errorf("no name: %+v", got)
	}
	over := call("http://127.0.0.1:1", "too late")
	over.Deadline = time.Now()
	if got := phasesOf(t, c, over); got != nil {
		t.Errorf("no request was made: %+v", got)
	}
}
