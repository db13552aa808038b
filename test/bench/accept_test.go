// Package bench measures the service beside baselines of the same run: on a
// shared machine only ratios mean something. Run it with make bench.
package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// connections is how many callers there are at once.
const connections = 64

// enqueuers is how many goroutines enqueue at once in the raw baseline.
const enqueuers = 256

// echoAddr, set in the environment, makes the test binary the bare Echo server.
const echoAddr = "BENCH_ECHO_ADDR"

func TestMain(m *testing.M) {
	if addr := os.Getenv(echoAddr); addr != "" {
		serveBareEcho(addr)
		return
	}
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := harness.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = dir
	return m.Run()
}

// serveBareEcho decodes and validates the same body, and does nothing with it.
func serveBareEcho(addr string) {
	rules := message.NewRules(message.RuleOptions{DefaultRegion: "US", Destinations: []string{"US"}, Sender: "+12065550100"})
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.POST("/v1/messages", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		draft, err := rules.Parse(body, nil, time.Now())
		if err != nil || len(draft.Problems) > 0 {
			return c.NoContent(http.StatusBadRequest)
		}
		return c.NoContent(http.StatusAccepted)
	})
	if err := e.Start(addr); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
	}
}

// payload is a request of about 300 bytes, with a text as a shop sends it. Each has a picture of its own: what
// a batch shares would be saved at Sinch first, and a simulator without
// receipts does not say when it is ready. Numbers that end in 9000 and more
// choose a behaviour of the simulator.
func payload(n int64) []byte {
	return fmt.Appendf(nil, `{"to":"+1206555%04d","text":"Hi Dana, your order #%07[2]d has shipped and should arrive Thursday by 8 pm. `+
		`Track it: https://ex.co/t/%[2]x. Reply STOP to opt out.","mediaUrl":"https://media.example.com/orders/2026/11/24/%07[2]d.jpg",`+
		`"subject":"Your order","clientReference":"bench-%[2]d"}`, n%9000, n)
}

func BenchmarkPost(b *testing.B) {
	b.Run("bare-echo", func(b *testing.B) {
		addr := freeAddr(b)
		run(b, exec.Command(os.Args[0]), echoAddr+"="+addr)
		await(b, addr)
		post(b, "http://"+addr)
	})
	b.Run("dispatcher", func(b *testing.B) {
		redis := redistest.Start(b)
		service := startAPI(b, redis)
		work := beginWork(b, redis, "api", service)
		post(b, service.base)
		work.report(b)
	})
}

// BenchmarkBulk streams b.N rows as NDJSON, and measures what a waiting message
// takes in Redis.
func BenchmarkBulk(b *testing.B) {
	redis := redistest.Start(b)
	service := startAPI(b, redis)
	before := usedMemory(b, redis)
	work := beginWork(b, redis, "api", service)
	b.ResetTimer()
	stream(b, service.base, b.N, "")
	b.StopTimer()
	work.report(b)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(usedMemory(b, redis)-before)/float64(b.N), "redis-B/msg")
}

// stream hands n messages over as one batch.
func stream(b *testing.B, base string, n int, query string) {
	b.Helper()
	streamOf(b, base, n, query, payload)
}

// streamOf hands n messages over as one batch, as payload makes them.
func streamOf(b *testing.B, base string, n int, query string, payload func(n int64) []byte) {
	b.Helper()
	rows, in := io.Pipe()
	go func() {
		out := bufio.NewWriterSize(in, 1<<16)
		for i := range n {
			_, _ = out.Write(append(payload(int64(i)), '\n'))
		}
		_ = out.Flush()
		_ = in.Close()
	}()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, base+"/v1/batches"+query, rows)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Accepted, Rejected int }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Accepted != n {
		b.Fatalf("status %d, %+v of %d, %v", res.StatusCode, answer, n, err)
	}
}

// usedMemory is the memory of Redis, in bytes.
func usedMemory(b *testing.B, redis *redistest.Server) int64 {
	b.Helper()
	return int64(info(b, redis, "memory", "used_memory"))
}

func BenchmarkRawEnqueue(b *testing.B) {
	redis := redistest.Start(b)
	client := asynq.NewClientFromRedisClient(redis.Client(b))
	before := usedMemory(b, redis)
	var next atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for range enqueuers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				if _, err := client.Enqueue(asynq.NewTask("mms", payload(n))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(usedMemory(b, redis)-before)/float64(b.N), "redis-B/msg")
}

// post sends b.N requests over the connections and reports the rate and the
// latencies of the answers.
func post(b *testing.B, base string) {
	b.Helper()
	postThen(b, base, func(int64) {})
}

// postThen is post that calls then after each answer, with the number of the request.
func postThen(b *testing.B, base string, then func(n int64)) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 10 * time.Second}
	b.Cleanup(client.CloseIdleConnections)
	var next atomic.Int64
	took := make([][]time.Duration, connections)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				start := time.Now()
				if err := postOne(b.Context(), client, base, payload(n)); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(start))
				then(n)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(milliseconds(all[len(all)/2]), "p50-ms")
	b.ReportMetric(milliseconds(all[len(all)*99/100]), "p99-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func postOne(ctx context.Context, client *http.Client, base string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/messages", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	// Each size of a benchmark runs on the same Redis: what it sent before is known.
	if res.StatusCode != http.StatusAccepted && res.StatusCode != http.StatusOK {
		var problem struct{ Code string }
		_ = json.Unmarshal(answer, &problem)
		return fmt.Errorf("status %d %s", res.StatusCode, problem.Code)
	}
	return nil
}
