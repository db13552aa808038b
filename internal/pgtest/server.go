package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server of one test. Its methods fail the test themselves.
type Server struct {
	tb   testing.TB
	inst *instance
}

// Start runs a server of its own until the test ends; args are further arguments of
// postgres.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	inst, err := newInstance(args...)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	s := &Server{tb: tb, inst: inst}
	tb.Cleanup(func() {
		s.must(inst.end(syscall.SIGQUIT))
		s.must(inst.remove())
	})
	s.must(inst.start())
	return s
}

// URL is that of the server's database. It stays the same over restarts.
func (s *Server) URL() string { return s.inst.url("postgres") }

// Stop ends the server in good order.
func (s *Server) Stop() { s.must(s.inst.end(syscall.SIGINT)) }

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() { s.must(s.inst.end(syscall.SIGQUIT)) }

// Restart starts a stopped server again on the same port and directory.
func (s *Server) Restart() {
	s.tb.Helper()
	s.must(s.inst.start())
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("pgtest: %v", err)
	}
}

// shared is the one server of the test process, started by the first test that asks
// for a database.
//
//nolint:gochecknoglobals // TestMain and the tests have nothing else in common
var shared sharedServer

type sharedServer struct {
	mu   sync.Mutex
	inst *instance
	next int
}

// Runner is what TestMain runs; goleak.VerifyTestMain takes it as well.
type Runner struct{ m interface{ Run() int } }

// Main wraps m so that the server behind [Shared] ends when the tests have run.
func Main(m interface{ Run() int }) Runner { return Runner{m: m} }

// Run runs the tests and stops the shared server.
func (r Runner) Run() int {
	code := r.m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// Shared gives the test an empty database of the package's shared server, and returns
// its URL. The package's TestMain must run [Main].
func Shared(tb testing.TB) string {
	tb.Helper()
	url, err := shared.database(tb.Context())
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return url
}

func (s *sharedServer) database(ctx context.Context) (url string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inst == nil {
		if s.inst, err = newInstance(); err != nil {
			return "", err
		}
		if err := s.inst.start(); err != nil {
			return "", err
		}
	}
	s.next++
	name := fmt.Sprintf("test_%d", s.next)
	conn, err := pgx.Connect(ctx, s.inst.url("postgres"))
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	if _, err := conn.Exec(ctx, "create database "+name); err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	return s.inst.url(name), nil
}

func (s *sharedServer) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inst == nil {
		return nil
	}
	if err := s.inst.end(syscall.SIGQUIT); err != nil {
		return err
	}
	return s.inst.remove()
}
