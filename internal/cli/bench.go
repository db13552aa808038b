package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

// newBench measures how many messages a second an api accepts.
func newBench() *cobra.Command {
	const connections, messages = 50, 10000
	b := benchmark{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how many messages a second an api accepts, with a test key",
		Long: "Sends messages to POST /v1/messages, each with a reference of its own, over several connections at once, and\n" +
			"reports how many a second were accepted and the response times. Workers then send them: with a test key to the\n" +
			"built-in simulator, so that any installation can be measured without sending an MMS.",
		Example: `  MMS_KEY=mms_test_… mmsctl bench --connections 50 --messages 10000`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	b.api.addFlags(cmd)
	f := cmd.Flags()
	f.IntVarP(&b.connections, "connections", "c", connections, "number of concurrent connections")
	f.IntVarP(&b.messages, "messages", "n", messages, "number of messages")
	f.StringVar(&b.to, "to", "+12065551212", "number to send to")
	f.StringVar(&b.media, "media", "https://example.com/a.jpg", "media URL")
	f.StringVar(&b.priority, "priority", "normal", "high, normal or bulk")
	completeLanes(cmd, "priority")
	f.BoolVar(&b.live, "live", false, "allow a live key: every message is really sent, unless SINCH_API is simulator")
	return cmd
}

// benchmark is one measurement.
type benchmark struct {
	api                   api
	connections, messages int
	to, media, priority   string
	live                  bool

	next atomic.Int64 // messages started
}

// answered is one response, or a request without one.
type answered struct {
	status int // 0: no response
	took   time.Duration
}

func (b *benchmark) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if b.connections < 1 || b.messages < 1 {
		return errors.New("--connections and --messages are at least 1")
	}
	probe, err := b.api.request(ctx, http.MethodPost, "/v1/messages", http.NoBody)
	if err != nil {
		return err
	}
	if !b.live && !strings.HasPrefix(probe.Header.Get("Authorization"), "Bearer mms_test_") {
		return errors.New("this is not a test key, so the messages would really be sent: " +
			"use a mms_test_… key, or --live if that is intended, as with make dev")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: b.connections, MaxConnsPerHost: b.connections}
	defer transport.CloseIdleConnections()
	via := &http.Client{Transport: transport, Timeout: requestTimeout}
	name := "bench-" + strings.ToLower(rand.Text()[:8]) + "-"
	begun := time.Now()
	results := make([][]answered, b.connections)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = b.worker(ctx, via, name) })
	}
	wg.Wait()
	return b.report(cmd, slices.Concat(results...), time.Since(begun))
}

// worker sends messages one after the other until there are enough.
func (b *benchmark) worker(ctx context.Context, via *http.Client, name string) []answered {
	var results []answered
	for ctx.Err() == nil {
		n := b.next.Add(1)
		if n > int64(b.messages) {
			break
		}
		begun := time.Now()
		status := b.send(ctx, via, name+strconv.FormatInt(n, 10))
		if status == 0 && ctx.Err() != nil {
			break // canceled by Ctrl-C, which is no result of the api
		}
		results = append(results, answered{status: status, took: time.Since(begun)})
	}
	return results
}

// send sends one message and returns the status of the response.
func (b *benchmark) send(ctx context.Context, via *http.Client, reference string) int {
	body, err := json.Marshal(map[string]string{
		"to": b.to, "mediaUrl": b.media, "priority": b.priority, textField: "Benchmark", referenceField: reference,
	})
	if err != nil {
		return 0
	}
	req, err := b.api.request(ctx, http.MethodPost, "/v1/messages", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := via.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// report prints the measurement. Times include refused requests.
func (b *benchmark) report(cmd *cobra.Command, results []answered, took time.Duration) error {
	if len(results) == 0 {
		return errors.New("stopped before the first response")
	}
	statuses := map[int]int{}
	for _, r := range results {
		statuses[r.status]++
	}
	times := make([]time.Duration, len(results))
	for i, r := range results {
		times[i] = r.took
	}
	taken, spread := statuses[http.StatusAccepted], quantilesOf(times)
	shown := struct {
		Messages          int         `json:"messages"`
		Connections       int         `json:"connections"`
		Seconds           float64     `json:"seconds"`
		AcceptedPerSecond float64     `json:"acceptedPerSecond"`
		Response          quantiles   `json:"response"`
		Statuses          map[int]int `json:"statuses"` // 0: no response
	}{len(results), b.connections, took.Seconds(), float64(taken) / took.Seconds(), spread, statuses}
	err := result(cmd, shown, func(out io.Writer) error {
		fmt.Fprintf(out, "%d messages over %d connections in %s: %.0f accepted a second\n",
			len(results), b.connections, took.Round(time.Millisecond), shown.AcceptedPerSecond)
		fmt.Fprintln(out, "response times ", spread)
		for _, status := range slices.Sorted(maps.Keys(statuses)) {
			fmt.Fprintf(out, "%7d × %s\n", statuses[status], statusText(status))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if taken < len(results) {
		return fmt.Errorf("%w: not all were accepted", errReported)
	}
	return nil
}

func statusText(status int) string {
	if status == 0 {
		return "no answer"
	}
	return strconv.Itoa(status) + " " + http.StatusText(status)
}
