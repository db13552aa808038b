package bench_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// What an idle worker may cost, and how long a message may wait for it.
const (
	idleCommands    = 60  // of Redis, a second
	idleConnections = 12  // to Redis
	idlePickUp      = 100 // ms, p99
)

// BenchmarkIdle measures three workers without messages, and how long one message
// at a time waits until Sinch has it.
func BenchmarkIdle(b *testing.B) {
	b.Run("goal", func(b *testing.B) {
		b.ReportMetric(idleCommands, "cmd/s")
		b.ReportMetric(idleConnections, "conns")
		b.ReportMetric(idlePickUp, "pickup-ms")
	})
	b.Run("worker", func(b *testing.B) {
		const workers, warmup, measured = 3, 15 * time.Second, 10 * time.Second
		store := redistest.Start(b)
		base := startAPI(b, store).base
		sinch, _ := startSimulator(b, 0)
		before := info(b, store, "clients", "connected_clients")
		var started []service
		for range workers {
			started = append(started, startWorker(b, store, sinch, "50"))
		}
		<-time.After(warmup)
		connections := info(b, store, "clients", "connected_clients") - before
		commands, cpu := info(b, store, "stats", "total_commands_processed"), workersTime(b, started)
		<-time.After(measured)
		commands = info(b, store, "stats", "total_commands_processed") - commands
		cpu = workersTime(b, started) - cpu
		b.ReportMetric(commands/measured.Seconds()/workers, "cmd/s")
		b.ReportMetric(connections/workers, "conns")
		b.ReportMetric(100*cpu.Seconds()/measured.Seconds()/workers, "cpu-%")
		took := pickUp(b, store, base)
		b.ReportMetric(milliseconds(took[len(took)/2]), "pickup-p50-ms")
		b.ReportMetric(milliseconds(took[len(took)*99/100]), "pickup-ms")
	})
}

func workersTime(b *testing.B, workers []service) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, worker := range workers {
		sum += processTime(b, worker.pid)
	}
	return sum
}

// pickUp returns, in ascending order, the times from a request to the answer of Sinch
// when nothing else is to be sent.
func pickUp(b *testing.B, store *redistest.Server, base string) []time.Duration {
	b.Helper()
	const messages, pause = 100, 150 * time.Millisecond
	client, rdb := &http.Client{Timeout: 10 * time.Second}, store.Client(b)
	b.Cleanup(client.CloseIdleConnections)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var took []time.Duration
	for n := range int64(messages) {
		<-time.After(pause + time.Duration(n)*time.Millisecond) // at ever other moments of the workers' pauses
		start := time.Now()
		if err := postOne(b.Context(), client, base, payload(n)); err != nil {
			b.Fatal(err)
		}
		for open(b, rdb) > 0 {
			<-tick.C
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took
}
