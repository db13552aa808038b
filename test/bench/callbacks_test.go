package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// endpoint is a receiver that takes every callback at once.
type endpoint struct {
	*httptest.Server

	taken atomic.Int64
}

// newEndpoint starts a receiver. Processes that are started after it may call it.
func newEndpoint(b *testing.B) *endpoint {
	b.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		e.taken.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(e.Close)
	b.Setenv("CALLBACK_ALLOW_PRIVATE", "true")
	return e
}

// configure sets the callback of all callers, for some types of events in JSON.
func configure(b *testing.B, base, url, events string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, base+"/v1/callback",
		bytes.NewReader(fmt.Appendf(nil, `{"url":%q,"events":%s}`, url, events)))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b.Fatalf("callback: status %d", res.StatusCode)
	}
	<-time.After(inForce)
}

// inForce is when every process knows of a configuration.
const inForce = 3 * time.Second

// subscribe reads the stream of events until the benchmark ends.
func subscribe(b *testing.B, base string) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/events", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	client := &http.Client{} // a stream has no end; the benchmark's context ends it
	b.Cleanup(client.CloseIdleConnections)
	res, err := client.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("events: %v, %v", res, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, res.Body) })
	b.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
		reading.Wait()
	})
}

// endpointCalls is how many attempts a worker makes at an endpoint at once.
const endpointCalls = 8

// BenchmarkCallbacks lets one worker deliver b.N events to one endpoint, beside a
// client that posts bodies of the same size over as many connections.
func BenchmarkCallbacks(b *testing.B) {
	b.Run("bare-client", func(b *testing.B) {
		to := newEndpoint(b)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: endpointCalls}, Timeout: 10 * time.Second}
		b.Cleanup(client.CloseIdleConnections)
		body := bytes.Repeat([]byte("x"), 800)
		var next atomic.Int64
		b.ResetTimer()
		for range endpointCalls {
			go func() {
				for next.Add(1) <= int64(b.N) {
					res, err := client.Post(to.URL, "application/json", bytes.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					_ = res.Body.Close()
				}
			}()
		}
		rate(b, func() int { return b.N - int(to.taken.Load()) })
	})
	b.Run("dispatcher", func(b *testing.B) {
		to, store := newEndpoint(b), redistest.Start(b)
		base := startAPI(b, store).base
		configure(b, base, to.URL, `["message.queued"]`)
		stream(b, base, b.N, "?priority=normal")
		pause := exec.Command(program("mmsctl"), "pause", "--reason", "bench") // nothing is sent meanwhile
		pause.Env = append(os.Environ(), "REDIS_URL="+store.URL())
		if out, err := pause.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		sinch, _ := startSimulator(b, 0)
		b.ResetTimer()
		work := beginWork(b, store, "worker", startWorker(b, store, sinch, strconv.Itoa(slots)))
		rate(b, func() int { return b.N - int(to.taken.Load()) })
		work.report(b)
	})
}

// BenchmarkEventsAccept streams b.N rows while nobody asks for their events, and
// while a callback and a stream do.
func BenchmarkEventsAccept(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(onOff(on), func(b *testing.B) {
			to, store := newEndpoint(b), redistest.Start(b)
			service := startAPI(b, store)
			if on {
				askForEvents(b, service.base, to)
			}
			work := beginWork(b, store, "api", service)
			b.ResetTimer()
			stream(b, service.base, b.N, "")
			b.StopTimer()
			work.report(b)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkEventsDispatch is the same for what is sent, to a Sinch that answers at
// once, and to one with the latency of a real one.
func BenchmarkEventsDispatch(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(onOff(on), func(b *testing.B) { dispatchEvents(b, 0, slots, on) })
	}
}

// BenchmarkEventsDispatchSlow is BenchmarkEventsDispatch with 200 calls under way.
func BenchmarkEventsDispatchSlow(b *testing.B) {
	const calls = 200
	for _, on := range []bool{false, true} {
		b.Run(onOff(on), func(b *testing.B) { dispatchEvents(b, latency, calls, on) })
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// askForEvents has the default events of all messages delivered, and all streamed.
func askForEvents(b *testing.B, base string, to *endpoint) {
	b.Helper()
	subscribe(b, base)
	configure(b, base, to.URL, `["message.sent","message.delivered","message.failed"]`)
}

// dispatchEvents sends b.N messages that wait already.
func dispatchEvents(b *testing.B, latency time.Duration, concurrency int, on bool) {
	b.Helper()
	to, store := newEndpoint(b), redistest.Start(b)
	base := startAPI(b, store).base
	if on {
		askForEvents(b, base, to)
	}
	stream(b, base, b.N, "?priority=normal")
	sinch, _ := startSimulator(b, latency)
	client := store.Client(b)
	b.ResetTimer()
	work := beginWork(b, store, "worker", startWorker(b, store, sinch, strconv.Itoa(concurrency)))
	rate(b, func() int { return open(b, client) })
	work.report(b)
}
