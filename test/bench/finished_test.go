package bench_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// finishedBytes is the goal of BenchmarkFinished.
const finishedBytes = 600

// sinchIDStays is longer than the entry of Sinch's id stays after the delivery.
const sinchIDStays = 15 * time.Minute

// BenchmarkFinished measures the Redis memory of b.N messages that were sent, and
// of those that were delivered, once nothing but their expiry is to come.
func BenchmarkFinished(b *testing.B) {
	b.Run("goal", func(b *testing.B) { b.ReportMetric(finishedBytes, "redis-B/msg") })
	for _, state := range []string{"sent", "delivered"} {
		b.Run(state, func(b *testing.B) {
			clock := redistest.NewClock(b)
			store := redistest.Start(b, redistest.WithClock(clock))
			const token = "receipts-of-the-benchmark"
			api := startAPI(b, store, "SINCH_WEBHOOK_TOKEN="+token)
			addr := freeAddr(b)
			simulator := []string{"simulator", "--addr", addr, "--log-level", "error"}
			if state == "delivered" {
				simulator = append(simulator, "--receipts-url", api.base+"/webhooks/sinch/dlr?token="+token)
			}
			run(b, exec.Command(program("mmsctl"), simulator...))
			await(b, addr)
			startWorker(b, store, "http://"+addr, "50")
			warm := warmUp(b, api.base)
			awaitUsage(b, api.base, state, warm)
			before := usedMemory(b, store)
			stream(b, api.base, b.N, "?priority=normal")
			awaitUsage(b, api.base, state, warm+b.N)
			clock.Move(sinchIDStays)
			b.ReportMetric(float64(settledMemory(b, store)-before)/float64(b.N), "redis-B/msg")
		})
	}
}

// warmUp sends some messages, so that connections, scripts and counters are in
// memory before it is measured. It returns their number.
func warmUp(b *testing.B, base string) int {
	b.Helper()
	const messages, first = 200, 1_000_000
	client := &http.Client{Timeout: 10 * time.Second}
	b.Cleanup(client.CloseIdleConnections)
	for n := range int64(messages) {
		if err := postOne(b.Context(), client, base, payload(first+n)); err != nil {
			b.Fatal(err)
		}
	}
	return messages
}

// awaitUsage waits until n messages have come to a state today.
func awaitUsage(b *testing.B, base, state string, n int) {
	b.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	b.Cleanup(client.CloseIdleConnections)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < 5*time.Minute; <-tick.C {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, base+"/v1/usage", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		var usage struct{ Data []map[string]any }
		err = json.NewDecoder(res.Body).Decode(&usage)
		_ = res.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		sum := 0
		for _, day := range usage.Data {
			count, _ := day[state].(float64)
			sum += int(count)
		}
		if sum >= n {
			return
		}
	}
	b.Fatalf("%d messages were not %s in time", n, state)
}

// settledMemory is what Redis holds once it has removed what has expired.
func settledMemory(b *testing.B, store *redistest.Server) int64 {
	b.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for used := usedMemory(b, store); ; {
		<-tick.C
		now := usedMemory(b, store)
		if now >= used {
			return now
		}
		used = now
	}
}
