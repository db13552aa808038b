package bench_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// BenchmarkPace lets eight workers share SINCH_RATE=50. Calls are counted by the
// ledger's count of begins and dated by Redis' clock, both read in one step, so
// that a busy machine measures no wrong pace.
func BenchmarkPace(b *testing.B) {
	const (
		perSecond = 50
		workers   = 8
		window    = 10 * time.Second
	)
	b.Run("goal", func(b *testing.B) {
		b.ReportMetric(perSecond*window.Seconds(), "most-calls")
		b.ReportMetric(perSecond*window.Seconds(), "least-calls")
		b.ReportMetric(perSecond, "msg/s")
	})
	b.Run("eight-workers", func(b *testing.B) {
		store := redistest.Start(b)
		stream(b, startAPI(b, store).base, b.N, "?priority=normal")
		sinch, _ := startSimulator(b, latency)
		for range workers {
			startWorker(b, store, sinch, "50", "SINCH_RATE="+strconv.Itoa(perSecond))
		}
		read := sampleBegins(b, store.Client(b), b.N)
		b.StopTimer()
		if len(read) == 0 || read[len(read)-1].at.Sub(read[0].at) < window {
			return // the first run of a benchmark has one message
		}
		most, least := windows(read, window)
		first, last := read[0], read[len(read)-1]
		b.ReportMetric(most, "most-calls")
		b.ReportMetric(least, "least-calls")
		b.ReportMetric(float64(last.begins-first.begins)/last.at.Sub(first.at).Seconds(), "msg/s")
	})
}

// begins is how many calls had begun at a time of Redis.
type begins struct {
	at     time.Time
	begins int
}

// sampleBegins reads the count of begins until all have begun. The first and the
// last hundred are left out: processes start, and end.
func sampleBegins(b *testing.B, client *redis.Client, all int) []begins {
	b.Helper()
	const every, edge = 50 * time.Millisecond, 100
	tick := time.NewTicker(every)
	defer tick.Stop()
	var read []begins
	for {
		pipe := client.TxPipeline()
		at, count := pipe.Time(b.Context()), pipe.HGet(b.Context(), "mms:{m}:begins", "epoch")
		_, _ = pipe.Exec(b.Context()) // before the first call there is no count
		n, _ := count.Int()
		if n >= all-edge {
			return read
		}
		if n >= edge {
			read = append(read, begins{at.Val(), n})
		}
		<-tick.C
	}
}

// windows are the most and the fewest begins in any window of a length, scaled to
// exactly that length.
func windows(read []begins, length time.Duration) (most, least float64) {
	least = -1
	end := 0
	for _, from := range read {
		for end < len(read) && read[end].at.Sub(from.at) < length {
			end++
		}
		if end == len(read) {
			break
		}
		to := read[end]
		n := float64(to.begins-from.begins) * length.Seconds() / to.at.Sub(from.at).Seconds()
		most = max(most, n)
		if least < 0 || n < least {
			least = n
		}
	}
	return most, least
}
