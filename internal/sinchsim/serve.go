package sinchsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	readHeaderTimeout = 10 * time.Second
	stopTimeout       = 5 * time.Second
)

// Run listens on Options.Addr (and ControlAddr) and serves until ctx ends, then
// stops the simulator. It returns nil after an orderly stop.
func (s *Simulator) Run(ctx context.Context) error {
	var config net.ListenConfig
	main, err := config.Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	if s.opts.ControlAddr == "" {
		return s.Serve(ctx, main, nil)
	}
	control, err := config.Listen(ctx, "tcp", s.opts.ControlAddr)
	if err != nil {
		_ = main.Close()
		return fmt.Errorf("simulator control: %w", err)
	}
	return s.Serve(ctx, main, control)
}

// Serve is Run with listeners that are open already; control may be nil. It
// closes both.
func (s *Simulator) Serve(ctx context.Context, main, control net.Listener) error {
	if err := s.Start(ctx); err != nil {
		_ = main.Close()
		if control != nil {
			_ = control.Close()
		}
		return err
	}
	servers := []*http.Server{serverFor(s.handler)}
	listeners := []net.Listener{main}
	if control != nil {
		servers, listeners = append(servers, serverFor(s.control)), append(listeners, control)
	}
	failed := make(chan error, len(servers))
	for i, server := range servers {
		s.opts.Logger.Info().Str("addr", listeners[i].Addr().String()).Msg("simulator listens")
		go func() { failed <- server.Serve(listeners[i]) }()
	}
	running := len(servers)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = errors.Join(err, s.Stop(stop))
	for _, server := range servers {
		if server.Shutdown(stop) != nil {
			_ = server.Close()
		}
	}
	for range running {
		if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}
	return err
}

func serverFor(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
}
