package doctor_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/doctor"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
	"mmsdispatch/internal/throttle"
)

func TestSoundInstallation(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithArgs("--maxmemory", "256mb"))
	sim := simtest.Start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{APIKey: sinchKey}})
	report := examine(t, sound(map[string]string{
		"REDIS_URL": server.URL(), "SINCH_API": "mms", "SINCH_BASE_URL": sim.URL, "RECORD_TTL": "8h",
	}))
	for _, f := range report.Findings {
		if f.Level != doctor.OK && f.Check != "workers" {
			t.Errorf("%s %s: %s", f.Level, f.Check, f.Text)
		}
	}
	if report.Level() != doctor.Warn {
		t.Errorf("the report is %s without a worker, want warn", report.Level())
	}
	want(t, report, "redis", "ok redis single * answers, version ", "ok it writes an append-only file", "ok * of 256 MiB", "ok it accepts writes")
	want(t, report, "capacity", "ok at 10 messages a second*use 64 % of the memory")
	want(t, report, "clock", "ok Redis' clock is 0.*s ")
	want(t, report, "keys", "ok 1 in API_KEYS")
	want(t, report, "workers", "warn no worker is alive")
	want(t, report, "account", "ok not paused")
	want(t, report, "database", "ok DATABASE_URL is not set")
}

func TestPausedAccount(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	gate := throttle.NewGate(server.Client(t), throttle.GateOptions{Account: "a", Pause: time.Hour})
	permit, err := gate.Acquire(t.Context(), "m", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Refused(t.Context(), permit, "E104"); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, sound(map[string]string{"REDIS_URL": server.URL()})), "account",
		"fail account paused (E104), next probe at 2*; since 2*→ put right what Sinch refuses")
}

// All problems are reported at once, and the readable rest is checked.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	report := examine(t, sound(map[string]string{
		"SINCH_API": "batches", "SINCH_TIMEOUT": "soon", "MEDIA_CHECK": "perhaps", "SINCH_TYPO": "1", "UNKNOWN_POLICY": "resend",
		"SENTRY_DSN": "https://hunter2",
	}))
	want(t, report, "configuration", "fail SINCH_TIMEOUT must be a duration", "fail MEDIA_CHECK must be one of", "fail SENTRY_DSN must be a DSN",
		"fail SINCH_SERVICE_PLAN_ID is required when SINCH_API is batches", "warn SINCH_TYPO is set but has no effect", "warn UNKNOWN_POLICY is resend")
	want(t, report, "media", "warn not checked → put MEDIA_CHECK right first")
	want(t, report, "sinch", "warn not checked → put SINCH_SERVICE_PLAN_ID right first")
	want(t, report, "sender", "ok SINCH_NUMBER: ten-digit number +1…00")
	if report.Level() != doctor.Fail {
		t.Errorf("the report is %s", report.Level())
	}
}

func TestConfigurationOfOneProcess(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"SINCH_NUMBER": "+12065550100", "REDIS_URL": "redis://" + nowhere, "API_KEYS": "acme:" + apiKey, "SINCH_WEBHOOK_TOKEN": "x"}
	of := func(process config.Process) doctor.Report {
		return doctor.Examine(t.Context(), doctor.Options{Environ: environ, Processes: []config.Process{process}})
	}
	want(t, of(config.API), "configuration", "ok complete, for the processes api")
	want(t, of(config.API), "sinch", "ok not checked")
	want(t, of(config.Worker), "configuration", "fail SINCH_API_TOKEN is required")
	if got := found(of(config.Worker), "keys"); got != "" {
		t.Errorf("a worker has no keys: %s", got)
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"+12065550100":  "ok SINCH_NUMBER: ten-digit number +1…00, which needs a registered campaign",
		"12065550100":   "ok SINCH_NUMBER: ten-digit number +1…00",
		"+18005550199":  "ok SINCH_NUMBER: toll-free number +1…99",
		"+61412345678":  "ok SINCH_NUMBER: number +61…78 of AU",
		"28444":         "ok SINCH_NUMBER: short code …44",
		"284":           "warn SINCH_NUMBER: …84 is neither",
		"20655501":      "warn SINCH_NUMBER: …01 is neither",
		"2065550100":    "fail SINCH_NUMBER: …00 is no valid phone number → *country code",
		"+112065550100": "fail SINCH_NUMBER: …00 is no valid phone number",
	}
	for number, line := range tests {
		want(t, examine(t, sound(map[string]string{"SINCH_NUMBER": number})), "sender", line)
	}
	want(t, examine(t, sound(map[string]string{"SINCH_SENDERS": "28444,+18005550199"})), "sender",
		"ok SINCH_NUMBER", "ok SINCH_SENDERS: short code", "ok SINCH_SENDERS: toll-free")
}

func TestMedia(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name, value, line string
	}{
		"worker":    {"MEDIA_CHECK", "worker", "ok checked by the worker*up to 1 MiB"},
		"accept":    {"MEDIA_CHECK", "accept", "ok checked before the caller is answered"},
		"off":       {"MEDIA_CHECK", "off", "warn media are not checked → set MEDIA_CHECK"},
		"larger":    {"MEDIA_MAX_BYTES", "5242880", "warn media of up to 5 MiB → lower MEDIA_MAX_BYTES"},
		"smaller":   {"MEDIA_MAX_BYTES", "512000", "ok checked by the worker*up to 500 KiB"},
		"toll-free": {"SINCH_SENDERS", "+18005550199", "warn media of up to 1 MiB*976.6 KiB*toll-free → lower MEDIA_MAX_BYTES, or set MEDIA_FIT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, examine(t, sound(map[string]string{tt.name: tt.value})), "media", tt.line)
		})
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	const public = "https://mms.acme.com"
	none := map[string]string{"SINCH_WEBHOOK_TOKEN": ""}
	batches := map[string]string{"SINCH_API": "batches", "SINCH_SERVICE_PLAN_ID": "p", "SINCH_BASE_URL": "https://sinch.acme.com:1", "SINCH_CALLBACK_URL": public}
	tests := map[string]struct {
		base  map[string]string
		more  map[string]string
		lines []string
	}{
		"simulator": {nil, nil, []string{"ok receipts of the simulator stay"}},
		"mms with token": {
			map[string]string{"SINCH_API": "mms"},
			nil,
			[]string{"ok*mms API are checked by token", "ok*batches API", "ok*conversation API"},
		},
		"mms with signature only": {
			map[string]string{"SINCH_API": "mms"},
			map[string]string{"SINCH_WEBHOOK_TOKEN": "", "SINCH_WEBHOOK_SECRET": "s"},
			[]string{"fail*mms API are refused with 401*→ set SINCH_WEBHOOK_TOKEN", "ok*batches API are checked by signature", "ok*conversation API are"},
		},
		"insecure": {
			map[string]string{"SINCH_API": "mms", "SINCH_WEBHOOK_INSECURE": "true"},
			none,
			[]string{"warn*mms API are accepted without a check", "warn*batches API", "warn*conversation API"},
		},
		"batches with password": {
			batches,
			map[string]string{"SINCH_WEBHOOK_TOKEN": "", "SINCH_WEBHOOK_USER": "u", "SINCH_WEBHOOK_PASSWORD": "p"},
			[]string{"ok*batches API are checked by user and password", "ok late receipts*mms and conversation", "ok receipts are requested at " + public + "/webhooks/sinch/dlr"},
		},
		"callback missing": {batches, map[string]string{"SINCH_CALLBACK_URL": ""}, []string{"ok", "ok", "ok", "warn SINCH_CALLBACK_URL is not set"}},
		"callback in clear": {
			batches,
			map[string]string{"SINCH_CALLBACK_URL": "http://mms.acme.com"},
			[]string{"ok", "ok", "ok", "warn SINCH_CALLBACK_URL is not https"},
		},
		"callback on loopback": {batches, map[string]string{"SINCH_CALLBACK_URL": "https://127.0.0.1:3000"}, []string{"ok", "ok", "ok", "warn*of this network"}},
		"callback private":     {batches, map[string]string{"SINCH_CALLBACK_URL": "https://10.1.2.3"}, []string{"ok", "ok", "ok", "warn*of this network"}},
		"callback name inside": {batches, map[string]string{"SINCH_CALLBACK_URL": "https://api.svc.internal"}, []string{"ok", "ok", "ok", "warn*of this network"}},
		"both inside": {
			batches,
			map[string]string{"SINCH_CALLBACK_URL": "http://127.0.0.1:3000", "SINCH_BASE_URL": "http://localhost:1"},
			[]string{"ok", "ok", "ok", "warn*not https"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := sound(tt.base)
			maps.Copy(environ, tt.more)
			want(t, examine(t, environ), "webhooks", tt.lines...)
		})
	}
}

// No secret is printed, with or without failures.
func TestReportHidesSecrets(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithPassword("redis-hunter2"))
	sim := simtest.Start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{APIKey: sinchKey}})
	secrets := map[string]string{
		"SINCH_KEY_ID": "id-hunter2", "SINCH_KEY_SECRET": "secret-hunter2", "SINCH_PROJECT_ID": "p", "SINCH_APP_ID": "a", "SINCH_SERVICE_PLAN_ID": "plan",
		"SINCH_WEBHOOK_SECRET": "hmac-hunter2", "SINCH_WEBHOOK_USER": "u", "SINCH_WEBHOOK_PASSWORD": "pw-hunter2", "ADMIN_USER": "u", "ADMIN_PASSWORD": "admin-hunter2",
		"DATABASE_URL": "postgres://mms:db-hunter2@" + nowhere + "/mms", "SENTRY_DSN": "https://dsn-hunter2@s.example/1", "SINCH_BASE_URL": sim.URL,
		"REDIS_URL": server.URL(), "SINCH_SENDERS": "+18005550199", "SINCH_AUTH_URL": "http://" + nowhere + "/token?key=hunter2",
	}
	changes := map[string]map[string]string{
		"sound":          {"SINCH_API": "mms"},
		"wrong keys":     {"SINCH_API": "mms", "SINCH_API_TOKEN": "other-hunter2", "REDIS_URL": "redis://:wrong-hunter2@" + server.Addr()},
		"batches":        {"SINCH_API": "batches"},
		"conversation":   {"SINCH_API": "conversation"},
		"unreachable":    {"SINCH_API": "mms", "SINCH_BASE_URL": "http://" + nowhere, "REDIS_URL": "redis://:x-hunter2@" + nowhere},
		"all malformed":  {"API_KEYS": "hunter2", "SENTRY_DSN": "hunter2", "DATABASE_URL": "hunter2", "REDIS_URL": "hunter2", "SINCH_NUMBER": "hunter2"},
		"odd Redis":      {"REDIS_URL": "redis://:hunter2@h:1/x?hunter2=1"},
		"odd PostgreSQL": {"DATABASE_URL": "postgres://u:hunter2@h/d?sslmode=hunter2"},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := sound(secrets)
			maps.Copy(environ, change)
			text := printed(t, examine(t, environ))
			for _, secret := range []string{"hunter2", "5550100", "5550199"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s is printed:\n%s", secret, text)
				}
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	report := doctor.Report{Findings: []doctor.Finding{
		{Check: "redis", Level: doctor.OK, Text: "answers"},
		{Check: "sinch", Level: doctor.Fail, Text: "does not", Fix: "wake it"},
	}}
	text, rest, _ := strings.Cut(printed(t, report), "{")
	if want := "ok    redis          answers\nfail  sinch          does not\n                     → wake it\n"; text != want {
		t.Errorf("printed %q", text)
	}
	var parsed struct {
		Status   string
		Findings []map[string]string
	}
	if err := json.Unmarshal([]byte("{"+rest), &parsed); err != nil {
		t.Fatal(err)
	}
	if parsed.Status != "fail" || len(parsed.Findings) != 2 || parsed.Findings[1]["fix"] != "wake it" || parsed.Findings[0]["check"] != "redis" {
		t.Errorf("JSON: %+v", parsed)
	}
}
