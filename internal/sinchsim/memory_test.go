package sinchsim_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/wire"
	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// inMemory serves a simulator on a listener without a port, and returns it with a
// connected client.
func inMemory(t *testing.T, o sinchsim.Options) (*sinchsim.Simulator, *wire.Client) {
	t.Helper()
	listener := sinchsim.NewMemoryListener()
	s := simtest.New(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx, listener, nil) }()
	client := wire.New(wire.Options{
		Connections: 4, Dial: listener.DialContext, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }, //nolint:nilnil // no proxy
	})
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-over; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, client
}

func aCall(t *testing.T, to string) wire.Request {
	t.Helper()
	return wire.Request{
		Method: http.MethodPost, URL: "http://simulator.internal/ep/v2/", Header: simtest.MMSHeader(), Body: simtest.JSON(t, simtest.MMS().With("to", to)),
	}
}

// The evidence of a call over memory is the same as over the network: for a response,
// a call that was accepted and not answered, and one that was not sent.
func TestMemoryListenerKeepsTheEvidence(t *testing.T) {
	t.Parallel()
	s, client := inMemory(t, sinchsim.Options{HangLimit: time.Millisecond})
	if res, err := client.Do(t.Context(), aCall(t, "12065551212")); err != nil || res.Status != http.StatusOK {
		t.Fatalf("%+v, %v", res, err)
	}
	_, err := client.Do(t.Context(), aCall(t, "12065559008"))
	if unknown, ok := errors.AsType[*wire.UnknownError](err); !ok || unknown.Cause != wire.CauseClosed {
		t.Errorf("a call that hangs: %v, want an unknown outcome, %s", err, wire.CauseClosed)
	}
	if n := s.Stats().Accepted; n != 2 {
		t.Errorf("%d accepted, want 2", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Do(ctx, aCall(t, "12065551212"))
	if notSent, ok := errors.AsType[*wire.NotSentError](err); !ok {
		t.Errorf("a call that was given up: %v, want %T", err, notSent)
	}
}

func TestClosedMemoryListener(t *testing.T) {
	t.Parallel()
	listener := sinchsim.NewMemoryListener()
	for range 2 {
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := listener.DialContext(t.Context(), "tcp", "simulator.internal:80"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial: %v", err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	client := wire.New(wire.Options{Dial: listener.DialContext})
	_, err := client.Do(t.Context(), aCall(t, "12065551212"))
	if notSent, ok := errors.AsType[*wire.NotSentError](err); !ok {
		t.Errorf("call: %v, want %T", err, notSent)
	}
}

// A hang ends at the limit.
func TestHangLimit(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{HangLimit: time.Millisecond})
	s.SetDefault(simtest.Behavior(t, "hang"))
	if _, err := simtest.Call(t.Context(), http.MethodPost, s.URL+simtest.MMSPath, simtest.MMSHeader(), simtest.JSON(t, simtest.MMS())); err == nil {
		t.Error("the call was answered")
	}
	if n := s.Stats().Accepted; n != 1 {
		t.Errorf("%d accepted, want 1", n)
	}
}
