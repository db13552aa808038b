package chaos_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

const (
	mms       = "mms"
	batches   = "batches"
	receiptAt = "/webhooks/sinch/dlr"
)

// shape says what an installation consists of.
type shape struct {
	api     string // SINCH_API
	apis    int
	workers int
	env     map[string]string // on top of the defaults
	// sentinel gives Redis a replica and a sentinel that promotes it.
	sentinel bool
}

// stack is a whole installation. Every process has a line of its own to Redis;
// the workers share one to Sinch, whose address is part of what a call is known
// by; receipts come in by one that leads to any api that runs.
type stack struct {
	t       *testing.T
	shape   shape
	client  *http.Client
	redis   *redistest.Server
	watched string // REDIS_URL by way of a sentinel; empty: straight, through a line of its own
	sim     *simulator
	toSinch *link
	front   *link
	apis    []*process
	workers []*process
	key     string
	token   string
}

// process is an api or a worker.
type process struct {
	*program

	base    string // URL of the public listener, of an api
	toRedis *link
}

// start brings an installation up and waits until it is ready.
func start(t *testing.T, s shape) *stack {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	st := &stack{
		t: t, shape: s, redis: redistest.Start(t),
		client: &http.Client{Transport: transport, Timeout: requestTimeout},
		key:    "mms_live_" + rand.Text(), token: rand.Text(),
	}
	if s.sentinel {
		redistest.StartReplicaOf(t, st.redis)
		// Without it a begin, or even the message, may not have reached the replica
		// that takes over: then only what the workers remember is left.
		if err := st.redis.Client(t).ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
			t.Fatal(err)
		}
		st.watched = "redis-sentinel://" + redistest.StartSentinel(t, "mms", st.redis, 1).Addr() + "?master_name=mms"
	}
	listeners := make([]string, s.apis)
	for i := range listeners {
		listeners[i] = freePorts.take(t)
	}
	st.front = newLink(t, "receipts", listeners...)
	st.sim = startSimulator(st)
	st.toSinch = newLink(t, "sinch", st.sim.addr)
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
	admin := freePorts.take(s.t)
	toRedis := newLink(s.t, name+" to Redis", s.redis.Addr())
	env := s.environ()
	maps.Copy(env, own)
	env["ADMIN_ADDR"] = admin
	env["REDIS_URL"] = "redis://" + toRedis.addr() + "/0"
	if s.watched != "" {
		env["REDIS_URL"] = s.watched
	}
	p := &process{program: newProgram(s.t, name, env, command), toRedis: toRedis}
	p.ready = "http://" + admin + "/readyz"
	p.start()
	return p
}

// environ makes processes that give up and try again quickly.
func (s *stack) environ() map[string]string {
	env := map[string]string{
		"API_KEYS":              "acme:" + s.key,
		"LOG_LEVEL":             "info",
		"LOOKUP_WINDOW":         "6s", // longer than a call can hang in a stalled line
		"MEDIA_CHECK":           "off",
		"RETRY_BASE":            "20ms",
		"RETRY_CAP":             "500ms",
		"RETRY_MAX":             "1000",
		"SHUTDOWN_TIMEOUT":      "6s",
		"SINCH_API":             s.shape.api,
		"SINCH_API_TOKEN":       "sinch-token",
		"SINCH_BASE_URL":        "http://" + s.toSinch.addr(),
		"SINCH_CALLBACK_URL":    "http://" + s.front.addr(),
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

// awaitReady waits until every process says that it can work.
func (s *stack) awaitReady() {
	s.t.Helper()
	for _, p := range s.processes() {
		s.awaitOK(p.program)
	}
}

func (s *stack) awaitOK(p *program) {
	s.t.Helper()
	await(s.t, "200 from "+p.name, patience, func() (bool, string) {
		if !p.running() {
			s.t.Fatalf("%s ended: %s", p.name, p.lastLines())
		}
		got, err := exchange(s.t.Context(), s.client, http.MethodGet, p.ready, nil)
		return err == nil && got.status == http.StatusOK, fmt.Sprint(got, err)
	})
}

// patience is how long a test waits for what has to happen: it is no measure of
// speed, and only a failing test waits so long.
const (
	patience = time.Minute
	tick     = 20 * time.Millisecond
)

// await polls until done says so; detail says how far things are.
func await(t *testing.T, what string, atMost time.Duration, done func() (ok bool, detail string)) {
	t.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	end := time.After(atMost)
	for {
		ok, detail := done()
		if ok {
			return
		}
		select {
		case <-ticker.C:
		case <-end:
			t.Fatalf("no %s within %s: %s", what, atMost, detail)
		}
	}
}

// hold checks for a while that something stays as it is: the only way to see
// that a thing does not happen.
func hold(t *testing.T, what string, during time.Duration, still func() (ok bool, detail string)) {
	t.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	end := time.After(during)
	for {
		if ok, detail := still(); !ok {
			t.Fatalf("%s did not last: %s", what, detail)
		}
		select {
		case <-ticker.C:
		case <-end:
			return
		}
	}
}
