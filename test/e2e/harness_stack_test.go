package e2e_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

const (
	tenant    = "acme"
	mmsAPI    = "mms"
	batches   = "batches"
	planID    = "plan-e2e"
	receiptAt = "/webhooks/sinch/dlr"

	conversation = "conversation"
	projectID    = "project-e2e"
	appID        = "app-e2e"
	keyID        = "key-e2e"
)

// stack is a whole installation: Redis, simulator, api and workers.
type stack struct {
	t        *testing.T
	redis    *redistest.Server
	sim      *harness.Simulator
	api      *harness.Program
	workers  []*worker
	started  []*harness.Program // api and workers, the ended ones too
	conf     settings
	client   *harness.Client
	base     string // of the public listener
	admin    string // of the api's admin listener
	key      string // of tenant, live
	testKey  string // of tenant, test
	otherKey string // of another tenant, live
	token    string // of receipts
	sinchKey string // of the account
	private  *private
}

// worker is one worker process.
type worker struct {
	*harness.Program

	admin string // base of its admin listener
}

// settings are what options change.
type settings struct {
	env      map[string]string
	workers  int
	mayDup   bool // a test that makes Sinch accept a message twice
	redisOff bool
	patience time.Duration

	redis     []string         // further arguments
	redisKind []string         // further arguments: the rights of the user, or what a provider forbids
	clock     *redistest.Clock // of Redis; nil: the system's
	redisUser string           // user:password of the programs; empty: the default user
	unready   bool
	simulator []string
}

type option func(*settings)

// with sets a variable of both programs.
func with(name, value string) option {
	return func(s *settings) { s.env[name] = value }
}

// over chooses the Sinch API.
func over(api string) option { return with("SINCH_API", api) }

// workers sets how many are started at first (1).
func workers(n int) option { return func(s *settings) { s.workers = n } }

// simulatorWith adds arguments of the simulator.
func simulatorWith(args ...string) option {
	return func(s *settings) { s.simulator = append(s.simulator, args...) }
}

// redisWith adds arguments of Redis.
func redisWith(args ...string) option {
	return func(s *settings) { s.redis = append(s.redis, args...) }
}

// redisClock has a clock show Redis' time.
func redisClock(c *redistest.Clock) option { return func(s *settings) { s.clock = c } }

// withoutRedis starts everything while Redis is down.
func withoutRedis() option { return func(s *settings) { s.redisOff = true } }

// patient is for a test that kills a worker or a Redis: a task that was dequeued
// from the queue then, and not begun, comes back when its lease has run out.
func patient() option { return func(s *settings) { s.patience = 2 * harness.Patience } }

// mayDouble is for a test that sends a message twice on purpose.
func mayDouble() option { return func(s *settings) { s.mayDup = true } }

// start brings a stack up and waits until it is ready.
func start(t *testing.T, opts ...option) *stack {
	t.Helper()
	_ = t.TempDir() // made now, it is removed after the logs were searched
	s := newStack(t, opts)
	t.Cleanup(s.searchLogs)

	server := []redistest.Option{redistest.WithArgs(slices.Concat(s.conf.redis, s.conf.redisKind)...)}
	if s.conf.clock != nil {
		server = append(server, redistest.WithClock(s.conf.clock))
	}
	s.redis = redistest.Start(t, server...)
	if s.conf.redisOff {
		s.redis.Stop()
	}
	s.base = "http://" + freePorts.Take(t)
	s.sim = startSimulator(s)
	t.Cleanup(s.wantNothingDoubled)
	s.admin = "http://" + freePorts.Take(t)
	s.startAPI()
	for range s.conf.workers {
		s.startWorker()
	}
	s.awaitUp()
	if os.Getenv(encryptedVariable) != "" {
		t.Cleanup(s.searchEverywhere)
		s.awaitNumberKey()
	}
	return s
}

func newStack(t *testing.T, opts []option) *stack {
	t.Helper()
	s := &stack{
		t:        t,
		conf:     settings{env: defaults(), workers: 1, patience: harness.Patience},
		client:   harness.NewClient(t, requestTimeout),
		key:      "mms_live_" + rand.Text(),
		testKey:  "mms_test_" + rand.Text(),
		otherKey: "mms_live_" + rand.Text(),
		token:    "receipt-token-" + rand.Text(),
		sinchKey: "sinch-token-" + rand.Text(),
		private:  &private{},
	}
	for _, opt := range append([]option{redisOfAll(t), encryptionOfAll()}, opts...) {
		opt(&s.conf)
	}
	s.private.add("live key", s.key)
	s.private.add("test key", s.testKey)
	s.private.add("other key", s.otherKey)
	s.private.add("receipt token", s.token)
	s.private.add("Sinch token", s.sinchKey)
	s.private.add("sender", strings.TrimPrefix(s.conf.env["SINCH_NUMBER"], "+1"))
	s.private.add("number of receipts", "2065550000")
	return s
}

// defaults make a stack that is quick and logs as much as it can.
func defaults() map[string]string {
	return map[string]string{
		"LOG_FORMAT":         "json",
		"LOG_LEVEL":          "debug",
		"LOOKUP_WINDOW":      "300ms",
		"MEDIA_CHECK":        "off",
		"RETRY_BASE":         "10ms",
		"RETRY_CAP":          "50ms",
		"SHUTDOWN_TIMEOUT":   "6s",
		"SINCH_API":          mmsAPI,
		"SINCH_NUMBER":       "+12065550100",
		"SINCH_PAUSE":        "500ms",
		"SINCH_RATE":         "0",
		"SINCH_TIMEOUT":      "2s",
		"TASK_TIMEOUT":       "5s",
		"WORKER_CONCURRENCY": "20",
	}
}

// environ is a program's environment, with its own variables on top.
func (s *stack) environ(own map[string]string) map[string]string {
	env := map[string]string{
		"API_KEYS":              tenant + ":" + s.key + "," + tenant + ":" + s.testKey + ",other:" + s.otherKey,
		"REDIS_URL":             s.redisURL(),
		"SINCH_API_TOKEN":       s.sinchKey,
		"SINCH_APP_ID":          appID,
		"SINCH_AUTH_URL":        s.sim.Base + "/oauth2/token",
		"SINCH_BASE_URL":        s.sim.Base,
		"SINCH_CALLBACK_URL":    s.base,
		"SINCH_KEY_ID":          keyID,
		"SINCH_KEY_SECRET":      s.sinchKey,
		"SINCH_MMS_CAMPAIGN_ID": "campaign-e2e",
		"SINCH_PROJECT_ID":      projectID,
		"SINCH_SERVICE_PLAN_ID": planID,
		"SINCH_WEBHOOK_TOKEN":   s.token,
	}
	maps.Copy(env, s.conf.env)
	maps.Copy(env, own)
	return env
}

// redisURL is that of the user whom the programs use.
func (s *stack) redisURL() string {
	if s.conf.redisUser == "" {
		return s.redis.URL()
	}
	return strings.Replace(s.redis.URL(), "redis://", "redis://"+s.conf.redisUser+"@", 1)
}

// startAPI starts the api on the ports of the stack, for the first time or again.
func (s *stack) startAPI() {
	s.t.Helper()
	s.api = launch(s.t, "api", s.environ(map[string]string{
		"PORT":       s.base[len("http://127.0.0.1:"):],
		"ADMIN_ADDR": s.admin[len("http://"):],
	}), "api")
	s.started = append(s.started, s.api)
}

// startWorker starts one more worker.
func (s *stack) startWorker() *worker {
	s.t.Helper()
	addr := freePorts.Take(s.t)
	env := s.environ(map[string]string{"ADMIN_ADDR": addr})
	name := "worker " + strconv.Itoa(len(s.workers)+1)
	w := &worker{Program: launch(s.t, name, env, "worker"), admin: "http://" + addr}
	s.workers = append(s.workers, w)
	s.started = append(s.started, w.Program)
	return w
}

// awaitUp waits until every running process reports that it is ready, or alive
// while there is no Redis.
func (s *stack) awaitUp() {
	s.t.Helper()
	path := "/readyz"
	if s.conf.redisOff || s.conf.unready {
		path = "/livez"
	}
	s.awaitOK(s.api, s.base+path)
	for _, w := range s.workers {
		if w.Running() {
			s.awaitOK(w.Program, w.admin+path)
		}
	}
}

// awaitOK waits until a process answers 200.
func (s *stack) awaitOK(p *harness.Program, url string) {
	s.t.Helper()
	p.AwaitOK(s.t, s.client, url)
}

// await polls until done reports true; detail describes the state.
func (s *stack) await(what string, atMost time.Duration, done func() (ok bool, detail string)) {
	s.t.Helper()
	harness.Await(s.t, what, atMost, done)
}

// on runs a part of a test as a subtest on the same stack.
func (s *stack) on(name string, part func(*stack)) {
	s.t.Helper()
	s.t.Run(name, func(t *testing.T) {
		t.Helper()
		own := *s
		own.t = t
		part(&own)
	})
}

// whileStable fails when still reports false within the duration.
func (s *stack) whileStable(what string, during time.Duration, still func() (ok bool, detail string)) {
	s.t.Helper()
	harness.WhileStable(s.t, what, during, still)
}

func (s *stack) wantNothingDoubled() {
	if s.conf.mayDup || s.t.Failed() {
		return
	}
	if stats := s.sim.Stats(); stats.Doubled != 0 {
		s.t.Errorf("Sinch accepted %d messages twice: %s", stats.Doubled, fmt.Sprintf("%+v", stats))
	}
}

// startSimulator starts a simulator whose receipts go to the api of the stack.
func startSimulator(s *stack) *harness.Simulator {
	s.t.Helper()
	args := append([]string{
		"--receipts-url", s.base + receiptAt + "?token=" + s.token,
		"--api-key", s.sinchKey, "--token", s.sinchKey,
		"--project", projectID, "--app", appID, "--key-id", keyID, "--key-secret", s.sinchKey,
		// Receipts that met a 503 come again within the patience of a test.
		"--mms-retry-after", "1s", "--batches-retry-after", "500ms", "--conversation-retry-after", "500ms",
	}, s.conf.simulator...)
	return harness.StartSimulator(s.t, s.client, filepath.Join(bin, "mmsctl"), freePorts.Take(s.t), args...)
}

// accepted is how many calls for a message Sinch has accepted, whatever the
// worker believes.
func (s *stack) accepted(id string) int { s.t.Helper(); return s.sim.Accepted(id) }

func (s *stack) wantAccepted(id string, n int) { s.t.Helper(); s.sim.WantAccepted(id, n) }

// awaitCalls waits until Sinch has seen n calls for a message.
func (s *stack) awaitCalls(id string, n int) []harness.SinchCall {
	s.t.Helper()
	return s.sim.AwaitCalls(id, n)
}
