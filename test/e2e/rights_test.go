package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
)

// redisVariable, set to restricted or managed, runs every test of this package
// against such a Redis.
const redisVariable = "E2E_REDIS"

const redisPassword = "redis-password-of-the-tests"

// redisUser makes a user of some rules, whom the programs use. It is an argument
// of redis-server, so that the user outlives a restart.
func redisUser(rules ...string) option {
	return func(s *settings) {
		s.redisKind = append([]string{"--user", "mmsdispatch", "on", ">" + redisPassword}, rules...)
		s.redisUser = "mmsdispatch:" + redisPassword
	}
}

// restricted gives the user exactly the rights that docs/deployment.md lists.
func restricted(tb testing.TB) option {
	tb.Helper()
	return redisUser(documentedRights(tb)...)
}

// documentedRights are the rules behind -@all of the ACL SETUSER line on the page.
func documentedRights(tb testing.TB) []string {
	tb.Helper()
	page, err := os.ReadFile("../../docs/deployment.md")
	if err != nil {
		tb.Fatal(err)
	}
	_, rules, found := strings.Cut(string(page), "ACL SETUSER mmsdispatch on >PASSWORD resetkeys resetchannels -@all ")
	rules, _, closed := strings.Cut(rules, "```")
	if !found || !closed {
		tb.Fatal("docs/deployment.md has no ACL SETUSER line")
	}
	return strings.Fields(strings.ReplaceAll(rules, "\\", " "))
}

// managed forbids what providers of Redis forbid.
func managed() option {
	return func(s *settings) {
		s.redisKind, s.redisUser = nil, ""
		for _, command := range []string{"MEMORY", "CONFIG", "CLIENT", "INFO"} {
			s.redisKind = append(s.redisKind, "--rename-command", command, "")
		}
	}
}

// plainRedis has the default user and forbids nothing.
func plainRedis() option {
	return func(s *settings) { s.redisKind, s.redisUser = nil, "" }
}

// mayScan gives a restricted user the right that only an erasure by number, and a
// replay without the long-term log, need.
func mayScan() option {
	return func(s *settings) {
		if s.redisUser != "" {
			s.redisKind = append(s.redisKind, "+scan")
		}
	}
}

// redisOfAll is the value of redisVariable.
func redisOfAll(tb testing.TB) option {
	tb.Helper()
	switch os.Getenv(redisVariable) {
	case "restricted":
		return restricted(tb)
	case "managed":
		return managed()
	default:
		return func(*settings) {}
	}
}

// unready is for a stack that lives and never becomes ready.
func unready() option { return func(s *settings) { s.unready = true } }

// TestServiceWithRestrictedRedis sends all that there is to send, as a user with
// exactly the needed rights and on a Redis without MEMORY, CONFIG, CLIENT and INFO.
func TestServiceWithRestrictedRedis(t *testing.T) {
	t.Parallel()
	kinds := map[string]option{"user": restricted(t), "managed": managed()}
	for name, kind := range kinds {
		for _, api := range apis() {
			t.Run(name+" "+api, func(t *testing.T) {
				t.Parallel()
				s := start(t, kind, over(api), workers(2))
				s.sendAllKinds()
				s.wantFigures()
			})
		}
	}
}

// sendAllKinds uses every route once.
func (s *stack) sendAllKinds() {
	s.t.Helper()
	phone := numberPool.Next()
	m := s.fill(message{"to": phone, "clientReference": "once"})
	id := s.send(m)
	s.awaitStatus(id, "delivered")
	s.want(s.post(m), http.StatusOK)
	b := s.stream("clientReference=campaign", s.rows(20))
	if done := s.awaitDone(b.ID); done.Counts["delivered"] != 20 {
		s.t.Errorf("%+v", done)
	}
	s.want(s.call(http.MethodGet, "/v1/batches", nil), http.StatusOK)
	s.want(s.call(http.MethodGet, "/v1/messages", nil), http.StatusOK)
	s.want(s.call(http.MethodPut, optOut(phone), nil), http.StatusCreated)
	s.wantSuppressed(s.send(message{"to": phone}))
	s.want(s.call(http.MethodGet, "/v1/suppressions", nil), http.StatusOK)
	s.want(s.call(http.MethodDelete, optOut(phone), nil), http.StatusNoContent)
	refused := numberPool.Next()
	s.sim.ForNumber(refused, 0, "E114")
	s.awaitStatus(s.send(message{"to": refused}), "failed")
}

// wantFigures checks that the operators' pages and metrics work.
func (s *stack) wantFigures() {
	s.t.Helper()
	for _, path := range []string{"/queues/api/queues", "/queues/api/queues/normal", "/queues/api/servers"} {
		s.want(s.adminGet(s.admin+path), http.StatusOK)
	}
	metrics := string(s.want(s.adminGet(s.admin+"/metrics"), http.StatusOK).Body)
	for _, want := range []string{"mms_queue_readable 1", `mms_queue_tasks{lane="normal",state="pending"}`, "mms_messages_readable 1"} {
		if !strings.Contains(metrics, want) {
			s.t.Errorf("metrics lack %s", want)
		}
	}
}

// TestManagedRedisIsLoggedOnce: one log line has the reason of a missing figure.
func TestManagedRedisIsLoggedOnce(t *testing.T) {
	t.Parallel()
	s := start(t, managed())
	s.awaitStatus(s.send(message{}), "delivered")
	s.await("warnings", harness.Patience, func() (bool, string) {
		got, err := s.get(s.base + "/readyz")
		return err == nil && strings.Count(got.String(), "redis forbids") == 4, got.String()
	})
	s.want(s.adminGet(s.admin+"/queues/api/queues"), http.StatusOK)
	if metrics := string(s.adminGet(s.admin + "/metrics").Body); strings.Contains(metrics, "mms_queue_memory_bytes{") {
		t.Error("the memory of queues is reported, which is not known")
	}
	for _, p := range s.started {
		for _, command := range []string{"MEMORY", "CONFIG", "CLIENT", "INFO"} {
			if n := strings.Count(string(p.Log()), "redis forbids "+command); n != 1 {
				t.Errorf("%s logs %d times that %s is forbidden", p.Name, n, command)
			}
		}
	}
}

// TestRedisUserThatLacksARight: api and worker are not ready, and say which line
// gives the right.
func TestRedisUserThatLacksARight(t *testing.T) {
	t.Parallel()
	users := map[string]struct {
		rules []string
		want  string
	}{
		"channels": {[]string{"~*", "+@all"}, "ACL SETUSER mmsdispatch &asynq:* &mms:*"},
		"command":  {[]string{"~*", "&*", "+@all", "-zadd"}, "ACL SETUSER mmsdispatch +zadd"},
		"scripts":  {[]string{"~*", "&*", "+@all", "-evalsha"}, "ACL SETUSER mmsdispatch +evalsha"},
		"keys":     {[]string{"~mms:*", "&*", "+@all"}, "ACL SETUSER mmsdispatch ~asynq:*"},
	}
	for name, tt := range users {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, redisUser(tt.rules...), unready())
			for _, url := range []string{s.base, s.admin, s.workers[0].admin} {
				got, err := s.get(url + "/readyz")
				if err != nil {
					t.Fatal(err)
				}
				var ready struct{ Warnings []string }
				s.want(got, http.StatusServiceUnavailable)
				if err := json.Unmarshal(got.Body, &ready); err != nil || !strings.Contains(strings.Join(ready.Warnings, "\n"), tt.want) {
					t.Errorf("%s, %v; want %s", got, err, tt.want)
				}
			}
		})
	}
}
