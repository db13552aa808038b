package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// Graceful is how long a program may take to end after SIGTERM before a
	// clean-up kills it: longer than any SHUTDOWN_TIMEOUT of the tests and some
	// time for a busy machine.
	Graceful = 45 * time.Second
	// certain is how long the kernel may take to end a killed process.
	certain = 30 * time.Second
	// lastLines is the number of log lines that are printed after a failure.
	lastLines = 150
)

// Program is one of the built programs. It can be ended and started again with
// the same environment, and writes to the same log. It belongs to the goroutine
// of its test.
type Program struct {
	Name string
	// Ready is a URL that answers 200 once the program serves.
	Ready string

	t       testing.TB
	command string
	args    []string
	env     []string
	dir     string
	cmd     *exec.Cmd
	exited  chan struct{} // closed once the process was reaped
}

// NewProgram prepares a program with exactly this environment, in a directory
// of its own. The clean-up of the test ends it.
func NewProgram(tb testing.TB, name string, env map[string]string, command string, args ...string) *Program {
	tb.Helper()
	p := &Program{Name: name, t: tb, command: command, args: args, dir: tb.TempDir()}
	p.env = []string{"HOME=" + p.dir, "PATH=/usr/bin:/bin", "TMPDIR=" + p.dir}
	for key, value := range env {
		p.env = append(p.env, key+"="+value)
	}
	tb.Cleanup(func() {
		if err := p.Stop(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("--- end of the log of %s\n%s", name, p.LastLines())
		}
	})
	return p
}

// Launch prepares a program and starts it.
func Launch(tb testing.TB, name string, env map[string]string, command string, args ...string) *Program {
	tb.Helper()
	p := NewProgram(tb, name, env, command, args...)
	p.Start()
	return p
}

func (p *Program) logPath() string { return filepath.Join(p.dir, "log") }

// Start launches the program unless it runs.
func (p *Program) Start() {
	p.t.Helper()
	if p.Running() {
		return
	}
	log, err := os.OpenFile(p.logPath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()        // the child has its own descriptor
	cmd := exec.Command(p.command, p.args...) // not tied to the context, which ends before the clean-ups
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its ProcessState
	}()
}

// PID is the process id of a program that was started.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Running reports whether the program was started and has not ended.
func (p *Program) Running() bool {
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

// ExitCode is that of a program that has ended; -1: a signal ended it.
func (p *Program) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Signal sends a signal to a program that has to run.
func (p *Program) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal %s: %v", p.Name, err)
	}
}

// Freeze stops a program that has to run, and returns when none of its threads runs.
func (p *Program) Freeze() {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP)
	if err := awaitStopped(p.cmd.Process.Pid); err != nil {
		p.t.Fatalf("freeze %s: %v", p.Name, err)
	}
}

// Thaw lets a frozen program continue.
func (p *Program) Thaw() {
	p.t.Helper()
	p.Signal(syscall.SIGCONT)
}

// TrySignal sends a signal to a program that may have ended.
func (p *Program) TrySignal(sig syscall.Signal) {
	p.t.Helper()
	if !p.Running() {
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("signal %s: %v", p.Name, err)
	}
}

// Kill ends a program that has to run as a crash does.
func (p *Program) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	p.Wait(certain)
}

// TryKill is Kill for a program that may have ended.
func (p *Program) TryKill() {
	p.t.Helper()
	p.TrySignal(syscall.SIGKILL)
	if p.cmd != nil {
		p.Wait(certain)
	}
}

// Wait returns the exit code, which is -1 when a signal ended the program.
func (p *Program) Wait(atMost time.Duration) int {
	p.t.Helper()
	if !p.ends(atMost) {
		p.t.Fatalf("%s still runs after %s", p.Name, atMost)
	}
	return p.ExitCode()
}

func (p *Program) ends(within time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(within):
		return false
	}
}

// Stop ends the program with SIGTERM, or after a timeout with SIGKILL and an error.
func (p *Program) Stop() error {
	if !p.Running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped process does not handle SIGTERM
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if p.ends(Graceful) {
		return nil
	}
	_ = p.cmd.Process.Kill()
	if p.ends(certain) {
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.Name, Graceful)
	}
	return fmt.Errorf("%s survives SIGKILL", p.Name)
}

// Log is what the program wrote so far to stdout and stderr.
func (p *Program) Log() []byte {
	text, err := os.ReadFile(p.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text)
}

// LastLines is the end of the log.
func (p *Program) LastLines() []byte {
	all := bytes.Split(p.Log(), []byte{'\n'})
	return bytes.Join(all[max(0, len(all)-lastLines):], []byte{'\n'})
}

// AwaitReady waits until the program answers 200 at Ready.
func (p *Program) AwaitReady(tb testing.TB, client *Client) {
	tb.Helper()
	p.AwaitOK(tb, client, p.Ready)
}

// AwaitOK waits until the program answers 200 at a URL.
func (p *Program) AwaitOK(tb testing.TB, client *Client, url string) {
	tb.Helper()
	Await(tb, "200 from "+p.Name+" "+url, Patience, func() (bool, string) {
		if !p.Running() {
			tb.Fatalf("%s ended with exit code %d: %s", p.Name, p.ExitCode(), p.LastLines())
		}
		got, err := client.Get(tb.Context(), url)
		if err != nil {
			return false, err.Error()
		}
		return got.OK(), got.String()
	})
}
