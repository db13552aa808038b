package bench_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// BenchmarkEncryption measures what RECORD_KEYS costs: requests, calls and the
// memory of a waiting message, each beside the same without.
func BenchmarkEncryption(b *testing.B) {
	modes := []struct {
		name string
		env  []string
	}{
		{"plain", nil},
		{"encrypted", []string{"RECORD_KEYS=bench:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}},
	}
	for _, mode := range modes {
		b.Run("post-"+mode.name, func(b *testing.B) {
			redis := redistest.Start(b)
			settle(b, redis, mode.env...)
			service := startAPI(b, redis, mode.env...)
			work := beginWork(b, redis, "api", service)
			post(b, service.base)
			work.report(b)
		})
	}
	for _, mode := range modes {
		b.Run("dispatch-"+mode.name, func(b *testing.B) { dispatch(b, 0, 1, slots, mode.env...) })
	}
	for _, mode := range modes {
		b.Run("bulk-"+mode.name, func(b *testing.B) {
			redis := redistest.Start(b)
			service := startAPI(b, redis, mode.env...)
			before := usedMemory(b, redis)
			b.ResetTimer()
			stream(b, service.base, b.N, "")
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			b.ReportMetric(float64(usedMemory(b, redis)-before)/float64(b.N), "redis-B/msg")
		})
	}
}

// settle waits until the opt-outs of a new Redis are encrypted, where they are: for
// its first ten seconds each message is looked up among the plain ones, too.
func settle(b *testing.B, store *redistest.Server, env ...string) {
	b.Helper()
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "RECORD_KEYS=") }) {
		return
	}
	first := startAPI(b, store, env...)
	client := store.Client(b)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		converted, err := client.HExists(b.Context(), "mms:{m}:optouts:numbers", "converted").Result()
		if err != nil {
			b.Fatal(err)
		}
		if converted {
			break
		}
		select {
		case <-tick.C:
		case <-b.Context().Done():
			b.Fatal("opt-outs are not encrypted")
		}
	}
	if err := syscall.Kill(first.pid, syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
}
