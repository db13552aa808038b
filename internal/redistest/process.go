package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// Ports are drawn from below Linux's range of ephemeral ports
	// (32768–60999), so that neither an outgoing connection nor a listener on
	// port 0 uses a server's port while it is stopped.
	firstPort = 20000
	portCount = 12000

	startTimeout  = 20 * time.Second
	stopTimeout   = 10 * time.Second
	pollInterval  = 5 * time.Millisecond
	probeTimeout  = 500 * time.Millisecond
	clientTimeout = time.Minute // of a client of a test, for each dial, command and wait
	portAttempts  = 20
	rebindBackoff = 100 * time.Millisecond

	logName = "redis.log"
)

var (
	errNotInstalled = errors.New("redis-server is not on the PATH; install it: " +
		"apt-get install redis-server on Debian, brew install redis on macOS")
	errPortTaken   = errors.New("port is in use")
	errExited      = errors.New("redis-server exited")
	errNotRunning  = errors.New("redis-server is not running")
	errOtherServer = errors.New("another redis-server answers on the port")
)

// instance is one redis-server with a fixed directory, which may be started
// and ended several times. It does not depend on a test.
type instance struct {
	binary string
	dir    string
	conf   settings

	mu     sync.Mutex
	port   int
	cmd    *exec.Cmd     // nil while stopped
	exited chan struct{} // closed once the process of cmd was reaped
}

func newInstance(dir string, conf settings) (*instance, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errNotInstalled
	}
	return &instance{binary: binary, dir: dir, conf: conf, port: conf.port}, nil
}

// start launches the server on its port; the first time, unless the port was
// chosen by an option, on one that is free.
func (i *instance) start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		return nil
	}
	fixed := i.port != 0
	for range portAttempts {
		if !fixed {
			i.port = randomPort()
		}
		err := i.launch()
		if !errors.Is(err, errPortTaken) && !errors.Is(err, errOtherServer) {
			return err
		}
		if fixed {
			// The port may belong to a connection that is about to close.
			<-time.After(rebindBackoff)
		}
	}
	return fmt.Errorf("no free port after %d attempts: %w", portAttempts, errPortTaken)
}

func randomPort() int {
	return firstPort + rand.IntN(portCount)
}

// launch starts the process and waits until it serves. The caller has locked mu.
func (i *instance) launch() error {
	logFile, err := os.Create(i.logPath())
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	defer func() { _ = logFile.Close() }() // the child has its own descriptor

	// The process outlives every context of a test: it ends by stop or kill.
	cmd := exec.CommandContext(context.Background(), i.binary, i.args()...)
	cmd.Dir = i.dir
	cmd.Env = append(os.Environ(), i.conf.env...)
	cmd.Stdout = logFile
	cmd.Stderr = logFile
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its log
	}()
	i.cmd, i.exited = cmd, exited

	err = i.awaitReady()
	if err != nil {
		_ = cmd.Process.Kill()
		<-exited
		i.cmd, i.exited = nil, nil
	}
	return err
}

func (i *instance) args() []string {
	args := []string{"--port", strconv.Itoa(i.port), "--bind", "127.0.0.1", "--dir", i.dir}
	if i.conf.sentinel {
		return append([]string{filepath.Join(i.dir, sentinelConf), "--sentinel"}, args...)
	}
	args = append(args,
		"--appendonly", "yes",
		"--appendfsync", "everysec",
		"--maxmemory-policy", "noeviction",
		"--save", "",
		"--enable-debug-command", "local",
		"--repl-diskless-sync-delay", "0",
	)
	if i.conf.password != "" {
		args = append(args, "--requirepass", i.conf.password, "--masterauth", i.conf.password)
	}
	return append(args, i.conf.args...)
}

// awaitReady returns once the launched process answers PING.
func (i *instance) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := redis.NewClient(i.options(0))
	defer func() { _ = client.Close() }()

	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := awaitsConnections(ctx, address(i.port))
		if err == nil {
			err = probe(ctx, client, i.cmd.Process.Pid)
		}
		if err == nil || errors.Is(err, errOtherServer) {
			return err
		}
		select {
		case <-i.exited:
			return i.exitError()
		case <-ctx.Done():
			return fmt.Errorf("redis-server on port %d does not answer: %w\n%s", i.port, err, i.log())
		case <-ticker.C:
		}
	}
}

// awaitsConnections returns an error until the server listens, so that go-redis does
// not log every dial before.
func awaitsConnections(ctx context.Context, addr string) error {
	dialer := net.Dialer{Timeout: probeTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	if err := conn.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// probe distinguishes a ready server from one that is loading and from another process
// on the port.
func probe(ctx context.Context, client *redis.Client, pid int) error {
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	info, err := client.Info(ctx, "server").Result()
	if redis.HasErrorPrefix(err, "unknown command") {
		return nil // a test has forbidden INFO; this one would not run with another server on the port
	}
	if err != nil {
		return fmt.Errorf("info: %w", err)
	}
	if !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", pid)) {
		return errOtherServer
	}
	return nil
}

func (i *instance) exitError() error {
	text := i.log()
	if bytes.Contains(text, []byte("Address already in use")) {
		return errPortTaken
	}
	return fmt.Errorf("%w at start:\n%s", errExited, text)
}

// end stops the process: graceful with SIGTERM first, so that all acknowledged writes
// reach the disk. Ending a stopped server is no error.
func (i *instance) end(graceful bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil {
		return nil
	}
	defer func() { i.cmd, i.exited = nil, nil }()
	if graceful {
		// A frozen process handles no SIGTERM before it is thawed.
		_ = i.cmd.Process.Signal(syscall.SIGCONT)
		_ = i.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-i.exited:
			return nil
		case <-time.After(stopTimeout):
		}
	}
	_ = i.cmd.Process.Kill() // it may have ended by itself
	select {
	case <-i.exited:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("redis-server %d survives SIGKILL", i.cmd.Process.Pid)
	}
}

func (i *instance) signal(sig syscall.Signal) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil {
		return errNotRunning
	}
	if err := i.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal redis-server: %w", err)
	}
	return nil
}

func (i *instance) addr() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return address(i.port)
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// options are for probes: clients fail fast and do not retry, so that tests see the
// server's own behaviour. It does not lock mu.
func (i *instance) options(db int) *redis.Options {
	return &redis.Options{
		Addr:                  address(i.port),
		DB:                    db,
		Password:              i.conf.password,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           probeTimeout,
		DisableIdentity:       true,
	}
}

// patient are options for tests: an answer may take long on a busy machine. A test
// that wants none passes a context with a deadline.
func (i *instance) patient(db int) *redis.Options {
	opts := i.options(db)
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.PoolTimeout = clientTimeout, clientTimeout, clientTimeout, clientTimeout
	return opts
}

func (i *instance) logPath() string { return filepath.Join(i.dir, logName) }

// log returns what the server wrote since it was last started.
func (i *instance) log() []byte {
	text, err := os.ReadFile(i.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return text
}
