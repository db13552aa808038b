package bench_test

import (
	"testing"

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
