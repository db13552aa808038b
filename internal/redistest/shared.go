package redistest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// sharedDatabases is the maximum of concurrently used databases, far above -parallel.
const sharedDatabases = 512

// shared is the shared server of the test process. It is started by the first call of
// Shared.
//
//nolint:gochecknoglobals // TestMain and the tests share nothing else
var shared sharedServer

var errNoMain = errors.New("the package's TestMain must run redistest.Main")

type sharedServer struct {
	mu      sync.Mutex
	managed bool // Main runs and stops the server
	inst    *instance
	dir     string
	free    chan int
}

// Runner is a *testing.M; goleak.VerifyTestMain accepts it as well.
type Runner struct{ m interface{ Run() int } }

// Main wraps m so that the server behind [Shared] ends when the tests have run.
func Main(m interface{ Run() int }) Runner { return Runner{m: m} }

// Run runs the tests and stops the shared server.
func (r Runner) Run() int {
	shared.manage()
	code := r.m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "redistest:", err)
		return max(code, 1)
	}
	return code
}

// DB is a database of the shared server, empty at first and used by one test.
// Pub/sub channels, INFO and CONFIG belong to the whole server: a test that depends on
// those uses its own server.
type DB struct {
	inst   *instance
	number int
	free   chan<- int
}

// Shared returns an empty database of the package's shared server.
func Shared(tb testing.TB) *DB {
	tb.Helper()
	db, err := shared.database()
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(func() { db.free <- db.number })
	if err := db.Client(tb).FlushDB(tb.Context()).Err(); err != nil {
		tb.Fatalf("redistest: empty database %d: %v", db.number, err)
	}
	return db
}

// Addr is the shared server's host:port.
func (d *DB) Addr() string { return d.inst.addr() }

// URL is the database's redis:// URL.
func (d *DB) URL() string { return redisURL(d.Addr(), "", d.number) }

// Number is the database's number.
func (d *DB) Number() int { return d.number }

// Client returns a client of the database that is closed when tb ends.
func (d *DB) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	return clientOf(tb, d.inst, d.number)
}

func (s *sharedServer) manage() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.managed = true
}

func (s *sharedServer) database() (*DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.managed {
		return nil, errNoMain
	}
	if s.inst == nil {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	select {
	case number := <-s.free:
		return &DB{inst: s.inst, number: number, free: s.free}, nil
	default:
		return nil, fmt.Errorf("all %d databases are in use", sharedDatabases)
	}
}

func (s *sharedServer) start() error {
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	s.dir = dir
	inst, err := newInstance(dir, settings{args: []string{"--databases", strconv.Itoa(sharedDatabases)}})
	if err != nil {
		return err
	}
	if err := inst.start(); err != nil {
		return err
	}
	s.inst = inst
	s.free = make(chan int, sharedDatabases)
	for number := range sharedDatabases {
		s.free <- number
	}
	return nil
}

func (s *sharedServer) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.managed = false
	if s.inst != nil {
		if err := s.inst.end(false); err != nil {
			return err
		}
		s.inst = nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

func redisURL(addr, password string, db int) string {
	u := url.URL{Scheme: "redis", Host: addr, Path: "/" + strconv.Itoa(db)}
	if password != "" {
		u.User = url.UserPassword("", password)
	}
	return u.String()
}
