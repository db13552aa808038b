// Package simtest runs the Sinch simulator inside a test and makes requests of it.
package simtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/batches"
	"mmsdispatch/internal/sinchsim/conversation"
	"mmsdispatch/internal/sinchsim/mms"
)

const stopTimeout = 5 * time.Second

// Server is a running simulator on a loopback port.
type Server struct {
	*sinchsim.Simulator

	// URL is scheme, host and port of the Sinch APIs and the control API.
	URL string
}

// New makes a simulator of all Sinch APIs.
func New(o sinchsim.Options) *sinchsim.Simulator {
	return sinchsim.New(o, mms.New, batches.New, conversation.New)
}

// Start runs a simulator until the test ends.
func Start(tb testing.TB, o sinchsim.Options) *Server {
	tb.Helper()
	sim := New(o)
	if err := sim.Start(context.WithoutCancel(tb.Context())); err != nil {
		tb.Fatalf("start simulator: %v", err)
	}
	server := httptest.NewServer(sim.Handler())
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), stopTimeout)
		defer cancel()
		if err := sim.Stop(ctx); err != nil {
			tb.Errorf("stop simulator: %v", err)
		}
		server.Close()
	})
	return &Server{Simulator: sim, URL: server.URL}
}

// StartQuick runs a simulator that delivers receipts at once, in their order.
func StartQuick(t *testing.T, o sinchsim.Options) *Server {
	t.Helper()
	o.Receipts.FirstWithin, o.Receipts.Step = -1, time.Millisecond
	o.Batches.Streams, o.Conversation.Streams = 1, 1
	o.MMS.RetryAfter, o.Batches.RetryAfter, o.Batches.SlowDown = time.Millisecond, time.Millisecond, time.Millisecond
	o.Conversation.RetryAfter = time.Millisecond
	return Start(t, o)
}

// StartWithReceiver runs a quick simulator whose receipts of all APIs go to a receiver.
func StartWithReceiver(t *testing.T, o sinchsim.Options) (*Server, *Receiver) {
	t.Helper()
	rec := NewReceiver(t)
	o.MMS.CallbackURL, o.Batches.CallbackURL, o.Conversation.CallbackURL = rec.URL+"/dlr?token=t", rec.URL, rec.URL
	return StartQuick(t, o), rec
}

// Quiet makes a simulator without receipts and without behaviours that need a connection.
func Quiet() *sinchsim.Simulator {
	return New(sinchsim.Options{NoMagicNumbers: true, KeepBodies: true, MaxRecords: 10})
}

// AwaitReceipts waits until no receipt is pending.
func (s *Server) AwaitReceipts(t *testing.T) {
	t.Helper()
	Eventually(t, "all receipts are delivered", func() bool { return s.Stats().Receipts.Pending == 0 })
}

// CheckHangs makes a call that must be accepted and never answered.
func (s *Server) CheckHangs(t *testing.T, path string, header http.Header, body Fields) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan error, 1)
	go func() {
		_, err := Call(ctx, http.MethodPost, s.URL+path, header, JSON(t, body))
		over <- err
	}()
	Eventually(t, "the call is accepted", func() bool { return s.Stats().Accepted == 1 })
	select {
	case err := <-over:
		t.Fatalf("the call was answered (%v)", err)
	case <-time.After(50 * time.Millisecond): // an answer that is sent at once would arrive within it
	}
	if n := s.Stats().InFlight; n != 1 {
		t.Errorf("%d calls in flight", n)
	}
	cancel()
	if err := <-over; err == nil {
		t.Error("the call was answered")
	}
	Eventually(t, "the call ends with its client", func() bool { return s.Stats().InFlight == 0 })
}
