package chaos_test

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
	// graceful is how long a program may take to end after SIGTERM:
	// the longest SHUTDOWN_TIMEOUT and some time for a busy machine.
	graceful = 45 * time.Second
	// certain is how long the kernel may take to end a killed process.
	certain = 30 * time.Second

	// Ports are drawn from above Linux's range of ephemeral ports, so that they
	// stay free while their owner is down.
	firstPort = 61000
	portCount = 4000
)

// program is one of our programs with a fixed place: it is ended and started
// again with the same environment, and writes to the same log. It belongs to
// the goroutine of its test.
type program struct {
	t       *testing.T
	name    string
	command string
	args    []string
	env     []string
	dir     string
	ready   string // URL that answers 200 once it serves

	cmd    *exec.Cmd
	exited chan struct{} // closed once the process was reaped
}

// newProgram prepares a program, which the test ends at last.
func newProgram(t *testing.T, name string, env map[string]string, command string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: name, command: filepath.Join(bin, command), args: args, dir: t.TempDir()}
	p.env = []string{"HOME=" + p.dir, "PATH=/usr/bin:/bin", "TMPDIR=" + p.dir}
	for key, value := range env {
		p.env = append(p.env, key+"="+value)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("--- end of the log of %s\n%s", name, p.lastLines())
		}
	})
	return p
}

func (p *program) logPath() string { return filepath.Join(p.dir, "log") }

// start launches the program unless it runs.
func (p *program) start() {
	p.t.Helper()
	if p.running() {
		return
	}
	log, err := os.OpenFile(p.logPath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	cmd := exec.Command(p.command, p.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its ProcessState
	}()
}

func (p *program) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal reaches the program if it still runs.
func (p *program) signal(sig syscall.Signal) {
	p.t.Helper()
	if !p.running() {
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
}

// kill ends the program as a crash does.
func (p *program) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	if p.cmd != nil && !p.gone(certain) {
		p.t.Fatalf("%s survives SIGKILL", p.name)
	}
}

func (p *program) gone(within time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(within):
		return false
	}
}

// stop ends the program in good order, or by force when that takes too long.
func (p *program) stop() error {
	if !p.running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped process takes no SIGTERM
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if p.gone(graceful) {
		return nil
	}
	_ = p.cmd.Process.Kill()
	if p.gone(certain) {
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, graceful)
	}
	return fmt.Errorf("%s survives SIGKILL", p.name)
}

// written is what the program wrote so far.
func (p *program) written() []byte {
	text, err := os.ReadFile(p.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text)
}

// lastLines is what is worth reading after a failure.
func (p *program) lastLines() []byte {
	const lines = 40
	all := bytes.Split(p.written(), []byte{'\n'})
	return bytes.Join(all[max(0, len(all)-lines):], []byte{'\n'})
}

// ports hands out every port once.
type ports struct {
	mu   sync.Mutex
	next int
}

var freePorts = ports{next: rand.IntN(portCount)}

func (p *ports) take(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for range portCount {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+p.next%portCount))
		p.next++
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("look for a free port: %v", err)
		}
	}
	t.Fatal("no free port")
	return ""
}
