// Package simtest runs the Sinch simulator inside a test.
package simtest

import (
	"context"
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
