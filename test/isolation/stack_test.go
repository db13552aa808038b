package isolation_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// requestTimeout is longer than any response time, also on a loaded machine.
const requestTimeout = time.Minute

// stack is an installation with two tenants: one misbehaves, and the other is the
// victim if anything of that reaches it.
type stack struct {
	t      *testing.T
	redis  *redistest.Server
	sim    *harness.Simulator
	api    *harness.Program
	worker *harness.Program // nil: none
	base   string           // of the public listener
	greedy *tenant
	victim *tenant
	reader *http.Client // of discard
}

// settings are what a test changes.
type settings struct {
	env      map[string]string
	redis    []string // further arguments
	noWorker bool
}

func start(t *testing.T, set settings) *stack {
	t.Helper()
	s := &stack{t: t, redis: redistest.Start(t, redistest.WithArgs(set.redis...)), reader: &http.Client{Timeout: requestTimeout}}
	t.Cleanup(s.reader.CloseIdleConnections)
	s.greedy, s.victim = newTenant(s, "greedy"), newTenant(s, "victim")
	s.base = "http://" + freePorts.Take(t)
	const token, account = "receipt-token-of-this-suite", "sinch-token"
	client := s.victim.client
	s.sim = harness.StartSimulator(t, client, built("mmsctl"), freePorts.Take(t),
		"--receipts-url", s.base+"/webhooks/sinch/dlr?token="+token, "--api-key", account)
	env := map[string]string{
		"API_KEYS": strings.Join([]string{
			"greedy:" + s.greedy.key, "greedy:" + s.greedy.testKey, "victim:" + s.victim.key,
		}, ","),
		"MEDIA_CHECK": "off", "REDIS_URL": s.redis.URL(), "SINCH_API": "mms", "SINCH_API_TOKEN": account, "SINCH_BASE_URL": s.sim.Base,
		"SINCH_NUMBER": "+12065550100", "SINCH_PAUSE": "300ms", "SINCH_RATE": "0", "SINCH_WEBHOOK_TOKEN": token, "WORKER_CONCURRENCY": "8",
		"SINCH_TIMEOUT": "20s", "SHUTDOWN_TIMEOUT": "25s",
	}
	maps.Copy(env, set.env)
	s.api = launch(s, client, "api", s.base, env, map[string]string{"PORT": s.base[len("http://127.0.0.1:"):]})
	if !set.noWorker {
		s.worker = launch(s, client, "worker", "", env, nil)
	}
	return s
}

// launch starts a program and waits until it is ready; without a public listener
// its admin listener tells.
func launch(s *stack, client *harness.Client, name, base string, env, own map[string]string) *harness.Program {
	s.t.Helper()
	env = maps.Clone(env)
	maps.Copy(env, own)
	env["ADMIN_ADDR"] = freePorts.Take(s.t)
	if base == "" {
		base = "http://" + env["ADMIN_ADDR"]
	}
	p := harness.NewProgram(s.t, name, env, built(name))
	p.Ready = base + "/readyz"
	p.Start()
	p.AwaitReady(s.t, client)
	return p
}

// tenant makes requests with a client of its own.
type tenant struct {
	*stack

	name, key, testKey string
	client             *harness.Client
}

func newTenant(s *stack, name string) *tenant {
	return &tenant{
		stack: s, name: name, key: "mms_live_" + rand.Text(), testKey: "mms_test_" + rand.Text(),
		client: harness.NewClient(s.t, requestTimeout),
	}
}

// resource is a message as the API shows it.
type resource struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Status  string `json:"status"`
	SinchID string `json:"sinchId"`
}

// body is a valid message; its text is the tenant's name, which the simulator shows.
func (c *tenant) body(changes map[string]any) map[string]any {
	m := map[string]any{"to": numberPool.Next(), "text": c.name, "mediaUrl": "https://media.example.com/a.jpg"}
	maps.Copy(m, changes)
	return m
}

// post makes a request with the live key; an error of the connection ends the test.
func (c *tenant) post(path string, body any, headers ...harness.Header) harness.Answer {
	c.t.Helper()
	got, err := c.client.Do(c.t.Context(), http.MethodPost, c.base+path, body, append([]harness.Header{harness.Bearer(c.key)}, headers...)...)
	if err != nil {
		c.t.Fatalf("%s: %s: %v", c.name, path, err)
	}
	return got
}

// ndjson is the header of a stream.
func ndjson() harness.Header {
	return harness.Header{Name: "Content-Type", Value: "application/x-ndjson"}
}

// send hands a message over, which has to be accepted.
func (c *tenant) send(changes map[string]any, headers ...harness.Header) (m resource, took time.Duration) {
	c.t.Helper()
	got := c.post("/v1/messages", c.body(changes), headers...)
	if got.Status != http.StatusAccepted {
		c.t.Fatalf("%s: got %s", c.name, got)
	}
	if err := json.Unmarshal(got.Body, &m); err != nil {
		c.t.Fatal(err)
	}
	return m, got.Took
}

// sends hands messages over, each after the other, and returns the median of the
// time that an answer took.
func (c *tenant) sends(n int) (ids []string, half time.Duration) {
	c.t.Helper()
	ids, times := c.timed(n)
	return ids, median(times)
}

// timed is sends with the time of each answer.
func (c *tenant) timed(n int) (ids []string, times []time.Duration) {
	c.t.Helper()
	for range n {
		m, took := c.send(nil)
		ids, times = append(ids, m.ID), append(times, took)
	}
	return ids, times
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

// rows are the lines of a stream.
func (c *tenant) rows(n int, changes map[string]any) string {
	c.t.Helper()
	var lines strings.Builder
	for range n {
		line, err := json.Marshal(c.body(changes))
		if err != nil {
			c.t.Fatal(err)
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	return lines.String()
}

// batch is what a stream is answered.
type batch struct{ Accepted, Rejected int }

// streamTries is how often rows are handed over to a storage that does not answer
// in time, as a busy machine may make it.
const streamTries = 10

// stream hands rows over.
func (c *tenant) stream(rows string) (b batch) {
	c.t.Helper()
	got := c.post("/v1/batches", rows, ndjson())
	for n := 1; n < streamTries && strings.Contains(string(got.Body), `"code":"unavailable"`); n++ {
		got = c.post("/v1/batches", rows, ndjson())
	}
	if got.Status != http.StatusAccepted {
		c.t.Fatalf("%s: got %s", c.name, got)
	}
	if err := json.Unmarshal(got.Body, &b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

// status is the state of a message.
func (c *tenant) status(id, key string) string {
	c.t.Helper()
	return c.get(id, key).Status
}

// get reads a message.
func (c *tenant) get(id, key string) (m resource) {
	c.t.Helper()
	got, err := c.client.Get(c.t.Context(), c.base+"/v1/messages/"+id, harness.Bearer(key))
	if err == nil {
		err = json.Unmarshal(got.Body, &m)
	}
	if err != nil {
		c.t.Fatalf("%s: %s %v", c.name, got, err)
	}
	return m
}

// countDelivered counts those of the messages that are delivered.
func (c *tenant) countDelivered(ids []string) int {
	c.t.Helper()
	n := 0
	for _, id := range ids {
		if c.status(id, c.key) == "delivered" {
			n++
		}
	}
	return n
}

// awaitDelivered waits until all of the messages are delivered.
func (c *tenant) awaitDelivered(ids []string) {
	c.t.Helper()
	left := slices.Clone(ids)
	harness.Await(c.t, "delivery of the messages of "+c.name, 2*harness.Patience, func() (bool, string) {
		left = slices.DeleteFunc(left, func(id string) bool { return c.status(id, c.key) == "delivered" })
		return len(left) == 0, fmt.Sprintf("%d left", len(left))
	})
}

// meanwhile runs misbehave again and again on some goroutines while during runs,
// and returns how often it ran to its end.
func meanwhile(t *testing.T, callers int, misbehave func(ctx context.Context) error, during func()) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		times int
	)
	first := make(chan struct{}, callers)
	for range callers {
		all.Go(func() {
			for ctx.Err() == nil {
				if misbehave(ctx) != nil && ctx.Err() == nil {
					continue
				}
				mu.Lock()
				times++
				mu.Unlock()
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	select {
	case <-first: // it has begun to hurt
	case <-time.After(2 * harness.Patience):
		t.Error("the misbehaviour never came to an end")
	}
	during()
	cancel()
	all.Wait()
	return times
}

// answeredBeside checks that the victim got an answer for each request that the
// other had answered meanwhile, though each of those costs the api and Redis far
// more: it did not queue behind them.
func (s *stack) answeredBeside(alone, beside time.Duration, hostile int) {
	s.t.Helper()
	s.t.Logf("median of the victim: %s alone, %s beside %d requests of the other", alone, beside, hostile)
	if hostile > probes {
		s.t.Errorf("%d requests of the other were answered during %d of the victim", hostile, probes)
	}
}

// discard requests a page and reads it without keeping it: what the caller does with
// the page shares no processor with the victim's.
func (s *stack) discard(ctx context.Context, url, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	header := harness.Bearer(key)
	req.Header.Set(header.Name, header.Value)
	res, err := s.reader.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
