package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

func TestDoctor(t *testing.T) {
	server := redistest.Start(t)
	t.Chdir(t.TempDir()) // where there is no .env
	for name, value := range map[string]string{
		"REDIS_URL": server.URL(), "SINCH_API": "simulator", "SINCH_NUMBER": "+12065550100", "SINCH_TIMEOUT": "",
		"API_KEYS": "acme:mms_live_hunter2hunter2hunter2hunter2",
	} {
		t.Setenv(name, value)
	}
	run := func(args ...string) (code int, out string) {
		var stdout, stderr bytes.Buffer
		code = Main(append([]string{"doctor"}, args...), &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	code, out := run()
	if code != exitOK || !strings.Contains(out, "ok    redis ") || strings.Contains(out, "hunter2") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	t.Setenv("SINCH_TIMEOUT", "never")
	code, out = run("--json")
	var report struct{ Status string }
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitFailure || report.Status != "fail" {
		t.Errorf("exit code %d, %v:\n%s", code, err, out)
	}
	if code, out = run("--process", "worker"); code != exitFailure || strings.Contains(out, " keys ") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if code, out = run("--process", "nobody"); code != exitFailure || !strings.Contains(out, "none of api, worker, all") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
