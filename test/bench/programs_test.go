package bench_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// key is the API key of all callers.
const key = "mms_live_000000000000000000000000"

// bin is the directory of the built programs. TestMain sets it once.
var bin string

func program(name string) string { return filepath.Join(bin, name) }

// service is a running process of ours.
type service struct {
	base, admin string // URLs; the worker has no base
	pid         int
}

// startAPI starts an api process with more environment.
func startAPI(b *testing.B, redis *redistest.Server, env ...string) service {
	b.Helper()
	addr, admin := freeAddr(b), freeAddr(b)
	process := run(b, exec.Command(program("api")), append([]string{
		"PORT=" + strings.TrimPrefix(addr, "127.0.0.1:"), "ADMIN_ADDR=" + admin,
		"REDIS_URL=" + redis.URL(), "LOG_LEVEL=warn", "QUEUE_LIMIT=100000000",
		"SINCH_NUMBER=+12065550100", "API_KEYS=bench:" + key,
	}, env...)...)
	await(b, addr)
	return service{base: "http://" + addr, admin: "http://" + admin, pid: process.Pid}
}

// startSimulator starts a Sinch that answers after latency and sends no
// receipts, and returns its base URL. A real one has machines of its own; here
// it shares those of what is measured, so it is kept from waking a second
// thread for every call and from collecting its few megabytes of garbage more
// often than it must.
func startSimulator(b *testing.B, latency time.Duration) (url string, pid int) {
	b.Helper()
	addr := freeAddr(b)
	process := run(b, exec.Command(program("mmsctl"), "simulator", "--addr", addr, "--latency", latency.String(), "--counts-only", "--log-level", "error"),
		"GOMAXPROCS=1", "GOGC=400")
	await(b, addr)
	return "http://" + addr, process.Pid
}

// startWorker starts a worker process, with variables on top of its own.
func startWorker(b *testing.B, redis *redistest.Server, sinch, concurrency string, env ...string) service {
	b.Helper()
	admin := freeAddr(b)
	process := run(b, exec.Command(program("worker")), append([]string{
		"ADMIN_ADDR=" + admin, "REDIS_URL=" + redis.URL(), "LOG_LEVEL=warn",
		"SINCH_BASE_URL=" + sinch, "SINCH_API_TOKEN=bench", "SINCH_NUMBER=+12065550100", "SINCH_RATE=0",
		"MEDIA_CHECK=off", "WORKER_CONCURRENCY=" + concurrency,
	}, env...)...)
	await(b, admin)
	return service{admin: "http://" + admin, pid: process.Pid}
}

// run starts a program and ends it with the benchmark.
func run(b *testing.B, cmd *exec.Cmd, env ...string) *os.Process {
	b.Helper()
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	})
	return cmd.Process
}

func freeAddr(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func await(b *testing.B, addr string) {
	b.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
		<-tick.C
	}
}
