package e2e_test

import (
	"maps"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
)

func TestBadConfigurationIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	const secret = "n0t-for-your-eyes"
	bad := map[string]string{
		"ADMIN_ADDR":         "0.0.0.0:9090",
		"API_KEYS":           "acme:" + secret,
		"DATABASE_URL":       "mysql://user:" + secret + "@db/mms",
		"LOG_LEVEL":          "chatty",
		"PORT":               "many",
		"REDIS_URL":          "http://user:" + secret + "@redis",
		"RETRY_BASE":         "soon",
		"SINCH_API":          "pigeon",
		"SINCH_RATE":         "-1",
		"SINCH_TIMEOUT":      "50s",
		"SINCH_WEBHOOK_USER": "sinch",
		"WORKER_CONCURRENCY": "0",
	}
	for _, program := range []string{"api", "worker"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			p := launch(t, program, bad, program)
			if code := p.Wait(harness.Patience); code == 0 {
				t.Error("exit code 0")
			}
			text := string(p.Log())
			for name := range maps.Keys(bad) {
				if !strings.Contains(text, name) {
					t.Errorf("%s is not named", name)
				}
			}
			for _, name := range []string{"SINCH_NUMBER", "TASK_TIMEOUT", "SHUTDOWN_TIMEOUT", "SINCH_WEBHOOK_PASSWORD"} {
				if !strings.Contains(text, name) {
					t.Errorf("%s is not named", name)
				}
			}
			if strings.Contains(text, secret) {
				t.Error("a secret is shown")
			}
			if strings.Contains(text, "goroutine ") {
				t.Error("it panicked")
			}
			if t.Failed() {
				t.Logf("it said:\n%s", text)
			}
		})
	}
}

func TestMissingConfigurationIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		program string
		env     map[string]string
		missing []string
	}{
		{"api", nil, []string{"SINCH_NUMBER"}},
		{"worker", nil, []string{"SINCH_NUMBER", "SINCH_API_TOKEN"}},
		{"worker", map[string]string{"SINCH_API": "batches"}, []string{"SINCH_NUMBER", "SINCH_API_TOKEN", "SINCH_SERVICE_PLAN_ID"}},
		{
			"worker",
			map[string]string{"SINCH_API": "conversation"},
			[]string{"SINCH_NUMBER", "SINCH_PROJECT_ID", "SINCH_APP_ID", "SINCH_KEY_ID", "SINCH_KEY_SECRET"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.program+" "+tt.env["SINCH_API"], func(t *testing.T) {
			t.Parallel()
			p := launch(t, tt.program, tt.env, tt.program)
			if code := p.Wait(harness.Patience); code == 0 {
				t.Error("exit code 0")
			}
			for _, name := range tt.missing {
				if text := string(p.Log()); !strings.Contains(text, name) {
					t.Errorf("%s is not named:\n%s", name, text)
				}
			}
		})
	}
}
