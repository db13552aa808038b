package redistest

import (
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server of one test. Its methods fail the test themselves;
// they may be called from several goroutines.
type Server struct {
	tb   testing.TB
	inst *instance
}

// settings are the values that options change.
type settings struct {
	args     []string
	env      []string // beside that of the test
	password string
	port     int
	sentinel bool
}

// Option changes how a server is started.
type Option func(*settings)

// WithArgs appends command line arguments of redis-server, which win over the
// defaults: WithArgs("--maxmemory", "10mb").
func WithArgs(args ...string) Option {
	return func(s *settings) { s.args = append(s.args, args...) }
}

// WithPassword sets requirepass; the server's URL and clients use it.
func WithPassword(password string) Option {
	return func(s *settings) { s.password = password }
}

// WithPort fixes the port.
func WithPort(port int) Option {
	return func(s *settings) { s.port = port }
}

// Start runs a server with AOF (everysec) and noeviction in its own directory until the
// test ends.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	var conf settings
	for _, opt := range opts {
		opt(&conf)
	}
	return startIn(tb, tb.TempDir(), conf)
}

func startIn(tb testing.TB, dir string, conf settings) *Server {
	tb.Helper()
	inst, err := newInstance(dir, conf)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	s := &Server{tb: tb, inst: inst}
	// Registered before the start, so that a failed one is cleaned up as well.
	tb.Cleanup(s.Kill)
	s.Restart()
	return s
}

// Addr is the server's host:port. It stays the same over restarts.
func (s *Server) Addr() string { return s.inst.addr() }

// URL is the server's redis:// URL with database 0 and its password.
func (s *Server) URL() string { return redisURL(s.Addr(), s.inst.conf.password, 0) }

// Dir is the server's directory: the append-only files and its log.
func (s *Server) Dir() string { return s.inst.dir }

// Client returns a client that is closed when the test tb ends. It does not
// retry, and its timeouts are a minute.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	return clientOf(tb, s.inst, 0)
}

// Stop ends the server gracefully: acknowledged writes are on the disk.
func (s *Server) Stop() { s.must(s.inst.end(true)) }

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() { s.must(s.inst.end(false)) }

// Restart starts the server again on the same port and directory and waits
// until it has loaded its data; one that runs is stopped gracefully first.
func (s *Server) Restart() {
	s.tb.Helper()
	s.must(s.inst.end(true))
	s.must(s.inst.start())
}

// Freeze stops the process without closing its sockets: the kernel still accepts
// connections, and no command is answered.
func (s *Server) Freeze() { s.must(s.inst.signal(syscall.SIGSTOP)) }

// Thaw lets a frozen server continue.
func (s *Server) Thaw() { s.must(s.inst.signal(syscall.SIGCONT)) }

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("redistest: %v", err)
	}
}

func clientOf(tb testing.TB, inst *instance, db int) *redis.Client {
	tb.Helper()
	inst.mu.Lock()
	opts := inst.patient(db)
	inst.mu.Unlock()
	client := redis.NewClient(opts)
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Errorf("redistest: close client: %v", err)
		}
	})
	return client
}
