package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/certificate"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/connlimit"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/telemetry"
)

// publicConns bounds the connections of the public listener, and its concurrent
// requests: an HTTP/2 connection carries several.
const publicConns = 2000

// connectionRefused logs at most once a minute that a listener has reached its
// bound.
func connectionRefused(log zerolog.Logger, listener string) func() {
	sampled := log.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Minute})
	return func() {
		sampled.Warn().Str("listener", listener).Msg("connections refused: as many are open as the listener serves at once")
	}
}

// public is the listener of the API.
type public struct {
	env    *environment
	server *http.Server
	follow background.Service // of the certificate; nil: plain HTTP
	fail   func(error)
}

// publicListener serves the API, with TLS where a certificate is configured.
func publicListener(env *environment, handler http.Handler, fail func(error)) part {
	host := ""
	if env.cfg.Process == config.Dev {
		host = "127.0.0.1" // it has a key that anybody can read off the screen
	}
	p := &public{env: env, server: httpapi.NewServer(net.JoinHostPort(host, strconv.Itoa(env.cfg.API.Port)), handler), fail: fail}
	p.server.ErrorLog = telemetry.NewStdLogger(env.log, "net/http")
	return part{name: "public listener", Service: background.New(p.start, p.stop)}
}

func (p *public) start(ctx context.Context) error {
	api := p.env.cfg.API
	if api.TLSCertFile != "" {
		cert, err := certificate.Load(string(api.TLSCertFile), string(api.TLSKeyFile), p.env.log)
		if err != nil {
			return fmt.Errorf("TLS_CERT_FILE and TLS_KEY_FILE: %w", err)
		}
		p.server.TLSConfig, p.follow = cert.Config(), background.Loop(cert.Follow)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.server.Addr)
	if err != nil {
		return cannotListen("PORT", strconv.Itoa(api.Port), err)
	}
	p.env.log.Info().Str("addr", listener.Addr().String()).Bool("tls", p.follow != nil).Msg("api listens")
	go p.serve(connlimit.New(listener, connlimit.Options{
		Max: publicConns, TLS: refusals(p.server.TLSConfig), RefusedFunc: connectionRefused(p.env.log, "public"),
	}))
	if p.follow != nil {
		return p.follow.Start(ctx)
	}
	return nil
}

func (p *public) serve(listener net.Listener) {
	serve := p.server.Serve
	if p.server.TLSConfig != nil {
		serve = func(l net.Listener) error { return p.server.ServeTLS(l, "", "") }
	}
	if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
		p.fail(fmt.Errorf("public listener: %w", err))
	}
}

func (p *public) stop(ctx context.Context) {
	if p.follow != nil {
		p.follow.Stop(ctx)
	}
	if err := p.server.Shutdown(ctx); err != nil {
		p.env.log.Warn().Err(err).Msg("requests cut off")
		_ = p.server.Close()
	}
}

// refusals is the TLS configuration for connections beyond the bound, which are
// answered in HTTP/1.1; nil: plain.
func refusals(served *tls.Config) *tls.Config {
	if served == nil {
		return nil
	}
	refused := served.Clone()
	refused.NextProtos = []string{"http/1.1"}
	return refused
}
