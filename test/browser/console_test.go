package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"golang.org/x/crypto/bcrypt"

	control "mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// Users of the admin listener.
const (
	viewer   = "vera"
	operator = "oscar"
	admin    = "ada"
	password = "password-of-the-browser-tests"
)

// Senders of the installation.
const (
	sender = "+12065550100"
	slow   = "+12065550111" // has a pace of its own
	slower = "+12065550112"
)

// tenants of the installation. Each belongs to one group of tests, so that none changes
// what another one counts.
const (
	acme     = "acme"     // failures, and messages that are looked for
	globex   = "globex"   // batches
	initech  = "initech"  // is paused
	umbrella = "umbrella" // replays
	hooli    = "hooli"    // counts
)

// pauseReason is that of the paused tenant.
const pauseReason = "invoice overdue"

// TestConsole runs every test of the console on one installation.
func TestConsole(t *testing.T) { //nolint:tparallel // each test begins with Parallel
	t.Parallel()
	c := startConsole(t, findChromium(t), redistest.Start(t))
	c.prepare(t)
	tests := map[string]func(*testing.T, *console){
		"accessibility": testAccessibility,
		"changes":       testChanges,
		"keyboard":      testKeyboard,
		"live updates":  testLive,
		"palette":       testPalette,
		"questions":     testQuestions,
	}
	for name, test := range tests { //nolint:paralleltest // each test begins with Parallel
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

// console is an installation, and a browser to look at it.
type console struct {
	t       *testing.T
	browser context.Context //nolint:containedctx // chromedp's handle of the browser
	redis   *redis.Client
	sim     *harness.Simulator
	client  *harness.Client
	base    string // of the public listener
	admin   string // of the admin listener
	token   string // of receipts
}

// startConsole starts the installation and the browser.
func startConsole(t *testing.T, program string, server *redistest.Server) *console {
	t.Helper()
	c := &console{
		t: t, browser: startBrowser(t, program), redis: server.Client(t), client: harness.NewClient(t, harness.Patience),
		base: "http://" + freePorts.Take(t), admin: "http://" + freePorts.Take(t), token: "token-of-receipts",
	}
	c.sim = harness.StartSimulator(t, c.client, built("mmsctl"), freePorts.Take(t),
		"--receipts-url", c.base+"/webhooks/sinch/dlr?token="+c.token, "--mms-retry-after", "1s", "--latency", "normal:150ms,30ms")
	env := c.environ(t, server.URL())
	maps.Copy(env, map[string]string{"PORT": c.base[len("http://127.0.0.1:"):], "ADMIN_ADDR": c.admin[len("http://"):]})
	harness.Launch(t, "api", env, built("api")).AwaitOK(t, c.client, c.base+"/readyz")
	for i := range 2 {
		addr := freePorts.Take(t)
		env := c.environ(t, server.URL())
		env["ADMIN_ADDR"] = addr
		worker := harness.Launch(t, fmt.Sprint("worker ", i+1), env, built("worker"))
		t.Cleanup(worker.Kill) // calls that hang are in flight at the end
		worker.AwaitOK(t, c.client, "http://"+addr+"/readyz")
	}
	return c
}

// key is the API key of a tenant.
func key(tenant string) string { return "mms_live_" + tenant + strings.Repeat("0", 24) }

func (c *console) environ(t *testing.T, redisURL string) map[string]string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, tenant := range []string{acme, globex, initech, umbrella, hooli} {
		keys = append(keys, tenant+":"+key(tenant))
	}
	return map[string]string{
		"ADMIN_USERS":            fmt.Sprintf("%s:viewer:%s,%s:operator:%s,%s:admin:%s", viewer, hash, operator, hash, admin, hash),
		"ADMIN_WRITE":            "true",
		"API_KEYS":               strings.Join(keys, ","),
		"CALLBACK_ALLOW_PRIVATE": "true",
		"LOG_FORMAT":             "json",
		"MEDIA_CHECK":            "off",
		"REDIS_URL":              redisURL,
		"SINCH_API":              "mms",
		"SINCH_API_TOKEN":        "key-of-the-simulator",
		"SINCH_BASE_URL":         c.sim.Base,
		"SINCH_CALLBACK_URL":     c.base,
		"SINCH_NUMBER":           sender,
		"SINCH_RATE":             "40",
		"SINCH_SENDERS":          slow + "," + slower,
		"SINCH_SENDER_RATES":     slow + "=2," + slower + "=2",
		"SINCH_SENDER_DAILY":     slow + "=5000," + slower + "=2000",
		"SINCH_TIMEOUT":          "50s",
		"SINCH_WEBHOOK_TOKEN":    c.token,
		"SHUTDOWN_TIMEOUT":       "51s",
		"TASK_TIMEOUT":           "55s",
		"WORKER_CONCURRENCY":     "20",
	}
}

// prepare pauses a tenant and makes messages of every state.
func (c *console) prepare(t *testing.T) {
	t.Helper()
	scope, err := pause.Tenant(initech)
	if err != nil {
		t.Fatal(err)
	}
	if err := control.New(c.redis, admin, control.FromCtl).Pause(t.Context(), scope, pauseReason); err != nil {
		t.Fatal(err)
	}
	c.batch(t, initech, "clientReference=newsletter", 40, fields{"priority": "bulk"})
	for status, ending := range map[string]string{"failed": "9001", "undelivered": "9004"} {
		c.awaitStatus(t, acme, status, c.sendAll(t, acme, 3, func() fields { return fields{"to": numberPool.Ending(ending)} })...)
	}
	c.awaitStatus(t, acme, "unknown", c.sendAll(t, acme, 3, func() fields {
		to := numberPool.Next()
		c.sim.ForNumber(to, 1, "reset")
		return fields{"to": to}
	})...)
}

// call makes a request of a tenant and decodes the answer.
func (c *console) call(tb testing.TB, tenant, method, path string, body, into any, headers ...harness.Header) {
	tb.Helper()
	got, err := c.client.Do(context.Background(), method, c.base+path, body, append([]harness.Header{harness.Bearer(key(tenant))}, headers...)...)
	if err != nil || got.Status >= http.StatusMultipleChoices {
		tb.Fatalf("%s %s: %s (%v)", method, path, got, err)
	}
	if into != nil {
		if err := json.Unmarshal(got.Body, into); err != nil {
			tb.Fatalf("unreadable answer %s: %v", got, err)
		}
	}
}

// fields are those of a message; what it must have and they lack is filled in.
type fields map[string]any

func fill(m fields) fields {
	full := fields{
		"to": numberPool.Next(), "text": "Your parcel arrives today between 2 and 4 pm.",
		"mediaUrl": "https://media.example.com/parcel.jpg",
	}
	maps.Copy(full, m)
	return full
}

// send hands a message over and returns its id.
func (c *console) send(tb testing.TB, tenant string, m fields) string {
	tb.Helper()
	var r struct{ ID string }
	c.call(tb, tenant, http.MethodPost, "/v1/messages", fill(m), &r)
	return r.ID
}

// sendAll hands n messages over at once; their ids are in no order.
func (c *console) sendAll(tb testing.TB, tenant string, n int, m func() fields) []string {
	tb.Helper()
	const atOnce = 8
	ids := make([]string, n)
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range ids {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			ids[i] = c.send(tb, tenant, m())
		})
	}
	all.Wait()
	return ids
}

// batch hands n messages over as a batch and returns its id.
func (c *console) batch(tb testing.TB, tenant, query string, n int, m fields) string {
	tb.Helper()
	rows := make([]string, n)
	for i := range rows {
		row, err := json.Marshal(fill(m))
		if err != nil {
			tb.Fatal(err)
		}
		rows[i] = string(row)
	}
	var b struct{ ID string }
	c.call(tb, tenant, http.MethodPost, "/v1/batches?"+query, strings.Join(rows, "\n"), &b, harness.Header{Name: "Content-Type", Value: "application/x-ndjson"})
	return b.ID
}

// awaitStatus waits until messages have a status.
func (c *console) awaitStatus(tb testing.TB, tenant, status string, ids ...string) {
	tb.Helper()
	for _, id := range ids {
		var r struct{ Status string }
		harness.Await(tb, status+" of "+id, harness.Patience, func() (bool, string) {
			c.call(tb, tenant, http.MethodGet, "/v1/messages/"+id, nil, &r)
			return r.Status == status, r.Status
		})
	}
}
