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

	"mmsdispatch/internal/redistest"
)

// profile makes BenchmarkPost and BenchmarkBulk write CPU profiles of the api
// into a directory, one a benchmark.
var profile = flag.String("profile", "", "directory for CPU profiles of the api")

// profiled is how long a profile is, in seconds.
const profiled = 3

// work is the CPU time that accepting takes, which says more than a rate on a
// machine that does other things, too.
type work struct {
	redis      *redistest.Server
	service    api
	api, store time.Duration // when it began
	written    chan error    // nil: no profile
}

// beginWork looks at the clocks of both processes.
func beginWork(b *testing.B, redis *redistest.Server, service api) *work {
	b.Helper()
	w := &work{redis: redis, service: service, api: processTime(b, service.pid), store: redisTime(b, redis)}
	if *profile != "" && b.N > 1 {
		w.written = make(chan error, 1)
		path := *profile + "/" + strings.ReplaceAll(b.Name(), "/", "-") + ".pprof"
		go func() { w.written <- writeProfile(service, path) }()
	}
	return w
}

// report tells what a message has cost since.
func (w *work) report(b *testing.B) {
	b.Helper()
	perMessage := func(spent time.Duration) float64 { return float64(spent.Nanoseconds()) / 1000 / float64(b.N) }
	b.ReportMetric(perMessage(processTime(b, w.service.pid)-w.api), "api-µs/msg")
	b.ReportMetric(perMessage(redisTime(b, w.redis)-w.store), "redis-µs/msg")
	if w.written == nil {
		return
	}
	if err := <-w.written; err != nil {
		b.Fatal(err)
	}
}

func writeProfile(service api, path string) error {
	client := &http.Client{Timeout: 2 * profiled * time.Second}
	res, err := client.Get(service.admin + "/debug/pprof/profile?seconds=" + strconv.Itoa(profiled))
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
	const user, system, tick = 11, 12, 10 * time.Millisecond // places behind the program's name, which may hold spaces
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
	_, rest, _ := strings.Cut(text, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r")
	return number(b, value)
}

func number(b *testing.B, text string) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
