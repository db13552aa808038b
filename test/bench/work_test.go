package bench_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

// profile makes benchmarks write CPU profiles of the process they are about
// into a directory, one a benchmark.
var profile = flag.String("profile", "", "directory for CPU profiles of the api or the worker")

// profiled is how long a profile is, in seconds.
const profiled = 10

// work is the CPU time of processes, which is more meaningful than a rate on a machine
// that does other things, too.
type work struct {
	clocks  []clock
	written chan error // nil: no profile
}

// clock is the CPU time of one process.
type clock struct {
	name  string
	read  func() time.Duration
	began time.Duration // its value when the work began
}

// beginWork reads the clocks of Redis and of the process that the benchmark
// is about, which is called name.
func beginWork(b *testing.B, redis *redistest.Server, name string, about service) *work {
	b.Helper()
	w := &work{}
	w.watch("redis", func() time.Duration { return redisTime(b, redis) })
	w.watch(name, func() time.Duration { return processTime(b, about.pid) })
	if *profile != "" && b.N > 1 {
		w.written = make(chan error, 1)
		path := *profile + "/" + strings.ReplaceAll(b.Name(), "/", "-") + ".pprof"
		go func() { w.written <- writeProfile(about, path) }()
	}
	return w
}

// watch adds a clock.
func (w *work) watch(name string, read func() time.Duration) {
	w.clocks = append(w.clocks, clock{name: name, read: read, began: read()})
}

// report reports the cost of a message since.
func (w *work) report(b *testing.B) {
	b.Helper()
	for _, c := range w.clocks {
		b.ReportMetric(float64((c.read()-c.began).Nanoseconds())/1000/float64(b.N), c.name+"-µs/msg")
	}
	if w.written == nil {
		return
	}
	if err := <-w.written; err != nil {
		b.Fatal(err)
	}
}

func writeProfile(about service, path string) error {
	client := &http.Client{Timeout: 2 * profiled * time.Second}
	res, err := client.Get(about.admin + "/debug/pprof/profile?seconds=" + strconv.Itoa(profiled))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: status %d", res.StatusCode)
	}
	content, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// processTime is the CPU time of a process; zero where there is no /proc.
func processTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	const user, system, tick = 11, 12, 10 * time.Millisecond // fields after the program's name, which may contain spaces
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return time.Duration(number(b, fields[user])+number(b, fields[system])) * tick
}

// redisTime is the CPU time of Redis without that of its children.
func redisTime(b *testing.B, redis *redistest.Server) time.Duration {
	b.Helper()
	seconds := info(b, redis, "cpu", "used_cpu_user") + info(b, redis, "cpu", "used_cpu_sys")
	return time.Duration(seconds * float64(time.Second))
}

// info is one number of Redis' INFO.
func info(b *testing.B, redis *redistest.Server, section, name string) float64 {
	b.Helper()
	text, err := redis.Client(b).Info(b.Context(), section).Result()
	if err != nil {
		b.Fatal(err)
	}
	return number(b, redisconn.ParseInfo(text)[name])
}

func number(b *testing.B, text string) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
