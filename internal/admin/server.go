// Package admin is the listener for operators: health, metrics, profiles and
// the pages of the console. It is never the public listener.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/connlimit"
	"mmsdispatch/internal/telemetry"
)

// The bounds of one request. net/http/pprof extends the write deadline by the
// seconds it has to record.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
)

// maxConns bounds the connections that are served at once.
const maxConns = 100

// ErrExposed is returned for an address that other machines could reach without
// credentials.
var ErrExposed = errors.New("the admin listener needs a user and a password on any but a loopback address")

// Options configure the listener.
type Options struct {
	Addr     string // host:port; port 0 chooses a free one
	User     string // basic authentication, with Password; both empty: none
	Password string
	Users    []User // with roles of their own, beside User, whose role is Admin

	Log     zerolog.Logger
	Metrics prometheus.Gatherer
	Ready   *Readiness
	Queues  http.Handler // the pages under /queues/; nil: none
	Console http.Handler // the pages under /console/, which check roles themselves; nil: none

	// Failed is called when the listener fails by itself: health and metrics can no
	// longer be read.
	Failed func(error)
}

// Server is the admin listener.
type Server struct {
	opts     Options
	http     *http.Server
	listener net.Listener
	served   chan struct{} // closed when no further connection is accepted
}

// New returns a server that does not listen before Start.
func New(opts Options) *Server {
	return &Server{
		opts: opts,
		http: &http.Server{
			Handler:           newHandler(opts),
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          telemetry.NewStdLogger(opts.Log, "net/http"),
		},
		served: make(chan struct{}),
	}
}

// Start opens the listener and returns; requests are served until Stop. It must
// not be called twice.
func (s *Server) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}

	if !isLoopback(listener.Addr()) && !newUsers(s.opts).any() {
		return errors.Join(ErrExposed, listener.Close())
	}

	s.listener = listener

	go func() {
		defer close(s.served)

		if err := s.http.Serve(connlimit.New(listener, connlimit.Options{Max: maxConns})); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Failed(fmt.Errorf("admin listener: %w", err))
		}
	}()
	return nil
}

// Addr is the listener's address, known after Start.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop waits for open requests until ctx ends, then closes their connections. It
// may be called again, and without Start.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("admin listener: %w", err), s.http.Close())
	}

	if s.listener != nil {
		<-s.served
	}
	return err
}

func isLoopback(addr net.Addr) bool {
	parsed, err := netip.ParseAddrPort(addr.String())
	return err == nil && parsed.Addr().Unmap().IsLoopback()
}
