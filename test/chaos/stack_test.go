package chaos_test

import (
	"crypto/rand"
	"maps"
	"net"
	"strconv"
	"strings"
	"testing"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

const (
	mms       = "mms"
	batches   = "batches"
	receiptAt = "/webhooks/sinch/dlr"
)

// shape describes an installation.
type shape struct {
	api     string // SINCH_API
	apis    int
	workers int
	env     map[string]string // on top of the defaults
	// sentinel gives Redis a replica and a sentinel that promotes it.
	sentinel bool
}

// stack is a whole installation. Every process has its own link to Redis. The
// workers share one link to Sinch, since its address is part of the key of an
// attempt. Receipts arrive through a link to any running api.
type stack struct {
	t       *testing.T
	shape   shape
	client  *harness.Client // of the apis
	control *harness.Client // of the simulator
	redis   *redistest.Server
	clock   *redistest.Clock // of Redis; nil: none can be moved
	watched string           // REDIS_URL through a sentinel; empty: through the process's link
	sim     *harness.Simulator
	toSinch *harness.Link
	front   *harness.Link
	apis    []*process
	workers []*process
	key     string
	token   string

	otherKey string // of the tenant that misbehaves
}

// process is an api or a worker.
type process struct {
	*harness.Program

	base    string // URL of the public listener, of an api
	toRedis *harness.Link
	clock   *redistest.Offset
}

// start brings an installation up and waits until it is ready.
func start(t *testing.T, s shape) *stack {
	t.Helper()
	var (
		clock *redistest.Clock
		opts  []redistest.Option
	)
	if *chaosClocks {
		clock = redistest.NewClock(t)
		opts = append(opts, redistest.WithClock(clock))
	}
	st := &stack{
		t: t, shape: s, redis: redistest.Start(t, opts...), clock: clock,
		client: harness.NewClient(t, requestTimeout), control: harness.NewClient(t, harness.Patience),
		key: "mms_live_" + rand.Text(), token: rand.Text(), otherKey: "mms_live_" + rand.Text(),
	}
	if s.sentinel {
		redistest.StartReplicaOf(t, st.redis)
		// Without it a begin, or even the message, may not have reached the replica
		// that is promoted: then only the workers' in-process records are left.
		if err := st.redis.Client(t).ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
			t.Fatal(err)
		}
		st.watched = "redis-sentinel://" + redistest.StartSentinel(t, "mms", st.redis, 1).Addr() + "?master_name=mms"
	}
	listeners := make([]string, s.apis)
	for i := range listeners {
		listeners[i] = freePorts.Take(t)
	}
	st.front = harness.NewLink(t, "receipts", listeners...)
	st.sim = startSimulator(st)
	st.toSinch = harness.NewLink(t, "sinch", strings.TrimPrefix(st.sim.Base, "http://"))
	for i, addr := range listeners {
		st.addAPI(i+1, addr)
	}
	for range s.workers {
		st.addWorker()
	}
	st.awaitReady()
	return st
}

func (s *stack) addAPI(n int, addr string) {
	s.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.add("api "+strconv.Itoa(n), "api", map[string]string{"PORT": port, "LOG_LEVEL": "warn"})
	p.base = "http://" + addr
	s.apis = append(s.apis, p)
}

func (s *stack) addWorker() *process {
	s.t.Helper()
	p := s.add("worker "+strconv.Itoa(len(s.workers)+1), "worker", nil)
	s.workers = append(s.workers, p)
	return p
}

// add starts one more process.
func (s *stack) add(name, command string, own map[string]string) *process {
	s.t.Helper()
	admin := freePorts.Take(s.t)
	toRedis := harness.NewLink(s.t, name+" to Redis", s.redis.Addr())
	env := s.environ()
	maps.Copy(env, own)
	env["ADMIN_ADDR"] = admin
	env["REDIS_URL"] = "redis://" + toRedis.Addr() + "/0"
	if s.watched != "" {
		env["REDIS_URL"] = s.watched
	}
	clock := redistest.NewOffset(s.t)
	env["CLOCK_OFFSET"] = clock.Path() // has no effect without -chaos.clocks
	p := &process{Program: harness.NewProgram(s.t, name, env, built(command)), toRedis: toRedis, clock: clock}
	p.Ready = "http://" + admin + "/readyz"
	p.Start()
	return p
}

// environ has short timeouts and retry delays.
func (s *stack) environ() map[string]string {
	env := map[string]string{
		"API_KEYS":              "acme:" + s.key + ",other:" + s.otherKey,
		"LOG_LEVEL":             "info",
		"LOOKUP_WINDOW":         "6s", // longer than a call can hang in a stalled link
		"MEDIA_CHECK":           "off",
		"RETRY_BASE":            "20ms",
		"RETRY_CAP":             "500ms",
		"RETRY_MAX":             "1000",
		"SHUTDOWN_TIMEOUT":      "6s",
		"SINCH_API":             s.shape.api,
		"SINCH_API_TOKEN":       "sinch-token",
		"SINCH_BASE_URL":        "http://" + s.toSinch.Addr(),
		"SINCH_CALLBACK_URL":    "http://" + s.front.Addr(),
		"SINCH_NUMBER":          "+12065550100",
		"SINCH_PAUSE":           "500ms",
		"SINCH_RATE":            "0",
		"SINCH_SERVICE_PLAN_ID": "plan-chaos",
		"SINCH_TIMEOUT":         "2s",
		"SINCH_WEBHOOK_TOKEN":   s.token,
		"TASK_TIMEOUT":          "5s",
		"WORKER_CONCURRENCY":    "20",
	}
	maps.Copy(env, s.shape.env)
	return env
}

func (s *stack) processes() []*process { return append(append([]*process{}, s.apis...), s.workers...) }

// awaitReady waits until every process reports that it is ready.
func (s *stack) awaitReady() {
	s.t.Helper()
	for _, p := range s.processes() {
		p.AwaitReady(s.t, s.client)
	}
}
