package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// Ports are drawn from below Linux's range of ephemeral ports, so that nothing
	// takes a server's port while it is stopped, and from above those of redistest.
	firstPort = 10000
	portCount = 9000

	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	pollInterval = 20 * time.Millisecond
	portAttempts = 20

	superuser = "mms"
)

var (
	errNotInstalled = errors.New("PostgreSQL is not installed: apt-get install postgresql on Debian, brew install postgresql on macOS")
	errPortTaken    = errors.New("port is taken")
	errExited       = errors.New("postgres exited")
)

// instance is one server with a fixed directory and port, which may be started and
// ended several times.
type instance struct {
	binary string
	dir    string
	args   []string

	mu     sync.Mutex
	port   int
	cmd    *exec.Cmd // nil while stopped
	exited chan struct{}
}

// newInstance makes the files of a server in a directory of its own.
func newInstance(args ...string) (*instance, error) {
	binary, err := find("postgres")
	if err != nil {
		return nil, err
	}
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, fmt.Errorf("create directory: %w", err)
	}
	i := &instance{binary: binary, dir: dir, args: args}
	if err := own(dir); err != nil {
		return nil, errors.Join(err, i.remove())
	}
	//nolint:gosec // the program was found in PATH
	cmd := exec.CommandContext(context.Background(), initdb, "--pgdata", i.data(), "--username", superuser,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.SysProcAttr, cmd.Dir = attributes(), dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, output), i.remove())
	}
	return i, nil
}

// find looks a program up in the PATH, and where Debian installs it.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	paths, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(paths) == 0 {
		return "", errNotInstalled
	}
	return slices.Max(paths), nil
}

func (i *instance) data() string { return filepath.Join(i.dir, "data") }

func (i *instance) logPath() string { return filepath.Join(i.dir, "log") }

func (i *instance) remove() error {
	if err := os.RemoveAll(i.dir); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

// url is that of a database.
func (i *instance) url(database string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return urlOf(i.port, database)
}

func urlOf(port int, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, port, database)
}

// start launches the server unless it runs, the first time on a free port.
func (i *instance) start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		return nil
	}
	fixed := i.port != 0
	for range portAttempts {
		if !fixed {
			i.port = firstPort + rand.IntN(portCount) //nolint:gosec // any port will do
		}
		if err := i.launch(); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("no free port after %d attempts: %w", portAttempts, errPortTaken)
}

// launch starts the process and waits until it serves. The caller holds mu.
func (i *instance) launch() error {
	logFile, err := os.OpenFile(i.logPath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	defer func() { _ = logFile.Close() }() // the child has its own descriptor
	args := append([]string{
		"-D", i.data(), "-p", strconv.Itoa(i.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "shared_buffers=32MB", "-c", "max_connections=100", "-c", "timezone=UTC",
	}, i.args...)
	//nolint:gosec // the program was found in PATH; it outlives every context of a test
	cmd := exec.CommandContext(context.Background(), i.binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = i.dir, logFile, logFile, attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its log
	}()
	i.cmd, i.exited = cmd, exited
	err = i.awaitReady()
	if err != nil {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-exited
		i.cmd, i.exited = nil, nil
	}
	return err
}

// awaitReady returns once the server accepts commands.
func (i *instance) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, urlOf(i.port, "postgres"))
		if err == nil {
			return conn.Close(ctx) //nolint:wrapcheck // of a test helper
		}
		select {
		case <-i.exited:
			return i.exitError()
		case <-ctx.Done():
			return fmt.Errorf("postgres on port %d does not answer: %w\n%s", i.port, err, i.log())
		case <-tick.C:
		}
	}
}

func (i *instance) exitError() error {
	text := i.log()
	if bytes.Contains(text, []byte("Address already in use")) {
		return errPortTaken
	}
	return fmt.Errorf("%w at start:\n%s", errExited, text)
}

// log returns what the server wrote since it was last started.
func (i *instance) log() []byte {
	text, err := os.ReadFile(i.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// end stops the server: SIGINT ends it in good order, SIGQUIT at once, as a crash
// does. Ending a stopped server is no error.
func (i *instance) end(sig syscall.Signal) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil {
		return nil
	}
	defer func() { i.cmd, i.exited = nil, nil }()
	_ = i.cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-i.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = i.cmd.Process.Kill()
	<-i.exited
	return nil
}
