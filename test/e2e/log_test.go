package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"mmsdispatch/internal/pgtest"
	"mmsdispatch/test/harness"
)

// TestLongTermLog: a worker refuses to start on a database without tables and names
// the command; with PostgreSQL away it starts and sends; what was sent is logged when
// PostgreSQL is back, and is found in the log when Redis no longer has it.
func TestLongTermLog(t *testing.T) {
	t.Parallel()
	database := pgtest.Start(t)
	s := start(t, with("DATABASE_URL", database.URL()), with("RECORD_TTL", "1s"), workers(0))
	refused := s.startWorker()
	if code := refused.Wait(harness.Patience); code == 0 || !strings.Contains(string(refused.Log()), "mmsctl migrate up") {
		t.Fatalf("exit code %d: %s", code, refused.Log())
	}
	command := func(args ...string) string {
		p := launch(t, "mmsctl "+strings.Join(args, " "), s.environ(nil), "mmsctl", args...)
		if code := p.Wait(harness.Patience); code != 0 {
			t.Fatalf("mmsctl %v: exit code %d: %s", args, code, p.Log())
		}
		return string(p.Log())
	}
	if got := command("migrate", "up"); !strings.Contains(got, "applied 00001_log.sql") {
		t.Errorf("migrate up: %s", got)
	}
	if got := command("migrate", "status"); !strings.Contains(got, "applied  00001_log.sql") {
		t.Errorf("migrate status: %s", got)
	}
	database.Kill()
	s.startWorker()
	s.awaitOK(s.workers[1].Program, s.workers[1].admin+"/readyz")
	id := s.send(message{})
	s.awaitStatus(id, "delivered")
	database.Restart()
	redis := s.redis.Client(t)
	s.await("the record expires", s.conf.patience, func() (bool, string) {
		n, err := redis.Keys(t.Context(), "mms:{m}:"+id[len("msg_1"):][:26]).Result()
		return err == nil && len(n) == 0, strings.Join(n, " ")
	})
	s.awaitStatus(id, "delivered")
	database.Kill()
	s.wantProblem(s.call(http.MethodGet, "/v1/messages/"+id, nil), http.StatusServiceUnavailable, "unavailable")
}
