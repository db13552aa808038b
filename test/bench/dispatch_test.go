package bench_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// slots is the concurrency of the worker and of its baseline.
const slots = 64

// BenchmarkDispatch lets one worker send b.N messages to a Sinch that answers
// at once, beside one asynq server that does nothing with as many tasks.
func BenchmarkDispatch(b *testing.B) {
	b.Run("no-op-asynq", func(b *testing.B) {
		store := redistest.Start(b)
		client := asynq.NewClientFromRedisClient(store.Client(b))
		for n := range b.N {
			if _, err := client.Enqueue(asynq.NewTask("mms", payload(int64(n)))); err != nil {
				b.Fatal(err)
			}
		}
		var done atomic.Int64
		server := asynq.NewServerFromRedisClient(store.Client(b), asynq.Config{Concurrency: slots, LogLevel: asynq.FatalLevel})
		b.ResetTimer()
		if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { done.Add(1); return nil })); err != nil {
			b.Fatal(err)
		}
		rate(b, func() int { return b.N - int(done.Load()) })
		server.Shutdown()
	})
	b.Run("dispatcher", func(b *testing.B) { dispatch(b, 0, 1, slots) })
}

// latency is about the response time of Sinch.
const latency = 150 * time.Millisecond

// BenchmarkDispatchSlow is bounded by the calls under way: 200 every 150 ms.
func BenchmarkDispatchSlow(b *testing.B) {
	const calls = 200
	b.Run("ideal", func(b *testing.B) { b.ReportMetric(calls/latency.Seconds(), "msg/s") })
	b.Run("dispatcher", func(b *testing.B) { dispatch(b, latency, 1, calls) })
}

// BenchmarkWorkers adds worker processes.
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) { dispatch(b, latency, workers, 50) })
	}
}

// dispatch sends b.N messages that wait already.
func dispatch(b *testing.B, latency time.Duration, workers, concurrency int, env ...string) {
	b.Helper()
	store := redistest.Start(b)
	settle(b, store, env...)
	stream(b, startAPI(b, store, env...).base, b.N, "?priority=normal")
	sinch, sinchPID := startSimulator(b, latency)
	client := store.Client(b)
	b.ResetTimer()
	for range workers - 1 {
		startWorker(b, store, sinch, strconv.Itoa(concurrency), env...)
	}
	work := beginWork(b, store, "worker", startWorker(b, store, sinch, strconv.Itoa(concurrency), env...))
	work.watch("sinch", func() time.Duration { return processTime(b, sinchPID) })
	rate(b, func() int { return open(b, client) })
	if workers == 1 {
		work.report(b)
	}
}

// open is how many messages are not with Sinch yet.
func open(b *testing.B, client *redis.Client) int {
	b.Helper()
	counts, err := client.HGetAll(b.Context(), "mms:{m}:counts").Result()
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for _, text := range counts {
		n, _ := strconv.Atoi(text)
		sum += n
	}
	return sum
}

// rate reports how fast the middle eight tenths of b.N messages are done: in
// the beginning processes start, and at the end slots stay empty.
func rate(b *testing.B, left func() int) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var first, last time.Time
	firstLeft, lastLeft := 0, 0
	for begin := time.Now(); ; <-tick.C {
		n, now := left(), time.Now()
		if first.IsZero() && n <= b.N*9/10 {
			first, firstLeft = now, n
		}
		if !first.IsZero() && last.IsZero() && n <= b.N/10 {
			last, lastLeft = now, n
		}
		if n <= 0 {
			break
		}
		if now.Sub(begin) > 5*time.Minute {
			b.Fatalf("%d of %d messages are left", n, b.N)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(firstLeft-lastLeft)/last.Sub(first).Seconds(), "msg/s")
}

// BenchmarkAcceptUnderLoad measures the wait of a caller while a campaign of
// b.N messages is being sent, beside how long without one. One caller at a time
// makes a hundred requests a second, as an application would.
func BenchmarkAcceptUnderLoad(b *testing.B) {
	b.Run("idle", func(b *testing.B) {
		store := redistest.Start(b)
		patient(b, startAPI(b, store).base, 1_000_000)
	})
	b.Run("dispatching", func(b *testing.B) {
		store := redistest.Start(b)
		base := startAPI(b, store).base
		if b.N == 1 {
			return // go test tries every benchmark with one first
		}
		stream(b, base, b.N, "")
		sinch, _ := startSimulator(b, latency)
		startWorker(b, store, sinch, "200")
		awaitFewer(b, store.Client(b), b.N*99/100)
		b.ResetTimer()
		patient(b, base, 1_000_000)
		if left := open(b, store.Client(b)); left < b.N/10 {
			b.Fatalf("only %d messages were left to send: give it more", left)
		}
	})
}

// awaitFewer waits until fewer than n messages are left.
func awaitFewer(b *testing.B, client *redis.Client, n int) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for open(b, client) >= n {
		<-tick.C
	}
}

// patient sends requests at a steady pace and reports the latencies.
func patient(b *testing.B, base string, first int64) {
	b.Helper()
	const requests = 1500
	client := &http.Client{Timeout: 10 * time.Second}
	b.Cleanup(client.CloseIdleConnections)
	took := make([]time.Duration, 0, requests)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := range int64(requests) {
		start := time.Now()
		if err := postOne(b.Context(), client, base, payload(first+n)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		<-tick.C
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
}
