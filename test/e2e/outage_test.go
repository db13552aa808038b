package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// soon bounds the api's response while Redis does not answer.
const soon = 2 * time.Second

func TestRedisOutage(t *testing.T) {
	t.Parallel()
	outages := map[string]struct {
		begin, end func(*stack)
	}{
		"stopped": {func(s *stack) { s.redis.Stop() }, func(s *stack) { s.redis.Restart() }},
		"frozen":  {func(s *stack) { s.redis.Freeze() }, func(s *stack) { s.redis.Thaw() }},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			id := s.send(message{})
			s.awaitStatus(id, "delivered")
			m := s.fill(message{"clientReference": "during-the-outage"})

			outage.begin(s)
			s.wantUnavailable(func() harness.Answer { return s.post(m) })
			s.wantUnavailable(func() harness.Answer { return s.call(http.MethodGet, "/v1/messages/"+id, nil) })
			s.want(s.receive(receipt(id, 1, "N102")), http.StatusServiceUnavailable)
			s.wantHealth(http.StatusServiceUnavailable)

			outage.end(s)
			s.awaitUp()
			s.wantHealth(http.StatusOK)
			s.await("acceptance", harness.Patience, func() (bool, string) {
				got := s.post(m)
				return got.Status == http.StatusAccepted || got.Status == http.StatusOK, got.String()
			})
			var r resource
			s.read(s.want(s.post(m), http.StatusOK), &r)
			s.awaitStatus(r.ID, "delivered")
			s.wantAccepted(r.ID, 1)
			s.wantAccepted(id, 1)
		})
	}
}

// A Redis that answers and refuses writes counts as down, and is reported.
func TestRedisRefusesWrites(t *testing.T) {
	t.Parallel()
	s := start(t, plainRedis()) // the test itself needs CONFIG
	rdb := s.redis.Client(t)
	limit := func(maxmemory string) {
		if err := rdb.ConfigSet(t.Context(), "maxmemory", maxmemory).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limit("1")
	s.wantHealth(http.StatusServiceUnavailable)
	got, err := s.get(s.base + "/readyz")
	if err != nil || !strings.Contains(got.String(), `"down":["redis"]`) {
		t.Errorf("%s, %v", got, err)
	}
	s.want(s.post(message{}), http.StatusServiceUnavailable)
	limit("0")
	s.awaitUp()
	s.wantHealth(http.StatusOK)
}

// wantUnavailable checks the api's response while it is unavailable. The
// fastest of three answers counts: a loaded machine may keep any one waiting.
func (s *stack) wantUnavailable(ask func() harness.Answer) {
	s.t.Helper()
	fastest := harness.Patience
	for range 3 {
		got := ask()
		s.wantProblem(got, http.StatusServiceUnavailable, "unavailable")
		if after, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || after < 1 {
			s.t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
		}
		fastest = min(fastest, got.Took)
	}
	if fastest > soon {
		s.t.Errorf("answered after %s, want %s at most", fastest, soon)
	}
}

// wantHealth checks all health routes of all processes; only readiness depends
// on Redis.
func (s *stack) wantHealth(ready int) {
	s.t.Helper()
	listeners := []string{s.base, s.admin}
	for _, w := range s.workers {
		if w.Running() {
			listeners = append(listeners, w.admin)
		}
	}
	want := map[string]int{"/livez": http.StatusOK, "/readyz": ready}
	for _, base := range listeners {
		for path, status := range want {
			// The public listener gives an answer again for a moment.
			s.await("health of "+base+path, harness.Patience, func() (bool, string) {
				got, err := s.get(base + path)
				return err == nil && got.Status == status, fmt.Sprint(got, err)
			})
		}
	}
	s.want(s.call(http.MethodGet, "/health", nil), http.StatusOK)
}

func TestStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	s := start(t, withoutRedis())
	s.wantHealth(http.StatusServiceUnavailable)
	m := s.fill(message{"clientReference": "too-early"})
	s.wantUnavailable(func() harness.Answer { return s.post(m) })

	s.redis.Restart()
	s.conf.redisOff = false
	s.awaitUp()
	s.wantHealth(http.StatusOK)
	id := s.send(m)
	s.awaitStatus(id, "delivered")
	s.wantAccepted(id, 1)
}

func TestRedisOutageDuringCalls(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.sim.SetDefault("slow:1s")
	var ids []string
	for range 10 {
		ids = append(ids, s.send(message{}))
	}
	s.await("calls", harness.Patience, func() (bool, string) {
		n := s.sim.Stats().Calls
		return n == len(ids), strconv.Itoa(n)
	})
	s.redis.Stop()
	s.await("answers", harness.Patience, func() (bool, string) {
		n := s.sim.Stats().InFlight
		return n == 0, strconv.Itoa(n)
	})
	s.redis.Restart()
	s.awaitUp()
	for _, id := range ids {
		s.wantAttempts(s.awaitStatus(id, "delivered"), 1)
		s.wantAccepted(id, 1)
	}
}
