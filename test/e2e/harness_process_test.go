package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// graceful is how long a process may take to end after SIGTERM before a
	// clean-up kills it. It gives up by itself after SHUTDOWN_TIMEOUT,
	// and on a loaded machine a little later.
	graceful = 30 * time.Second
	// certain is how long the kernel may take to end a killed process.
	certain = 30 * time.Second

	// Ports are drawn from below Linux's range of ephemeral ports and below
	// those of the Redis servers, so that they stay free while their owner is
	// stopped.
	firstPort = 11000
	portCount = 8000
)

// process is one of our programs while it runs, and what it wrote.
type process struct {
	name   string
	log    string // path of what it wrote to stdout and stderr
	cmd    *exec.Cmd
	exited chan struct{} // closed once it was reaped
}

// launch starts a program with exactly this environment, in a directory of its
// own, and ends it with the test.
func launch(t *testing.T, name string, env map[string]string, program string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor

	// Not tied to t.Context, which ends before the clean-ups.
	cmd := exec.Command(filepath.Join(bin, program), args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TMPDIR=" + dir}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p := &process{name: name, log: log.Name(), cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	t.Cleanup(func() {
		if err := p.end(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("--- end of the log of %s\n%s", name, p.lastLines())
		}
	})
	return p
}

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", p.name, err)
	}
}

// kill ends the process as a crash does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.wait(t, certain)
}

// wait returns the exit code, which is -1 when a signal ended the process.
func (p *process) wait(t *testing.T, atMost time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(atMost):
		t.Fatalf("%s still runs after %s", p.name, atMost)
		return 0
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// end stops the process in good order, or by force when that takes too long.
func (p *process) end() error {
	if !p.running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped process takes no SIGTERM
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(graceful):
	}
	_ = p.cmd.Process.Kill()
	select {
	case <-p.exited:
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, graceful)
	case <-time.After(certain):
		return fmt.Errorf("%s survives SIGKILL", p.name)
	}
}

// written is what the process wrote so far.
func (p *process) written() []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text)
}

// lastLines is what is worth reading after a failure.
func (p *process) lastLines() []byte {
	const lines = 150
	all := bytes.Split(p.written(), []byte{'\n'})
	return bytes.Join(all[max(0, len(all)-lines):], []byte{'\n'})
}

// ports hands out every port once.
type ports struct {
	mu   sync.Mutex
	next int
}

var freePorts = ports{next: rand.IntN(portCount)}

func (p *ports) take(t *testing.T) int {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for range portCount {
		port := firstPort + p.next%portCount
		p.next++
		l, err := net.Listen("tcp", address(port))
		if err == nil {
			_ = l.Close()
			return port
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("look for a free port: %v", err)
		}
	}
	t.Fatal("no free port")
	return 0
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
