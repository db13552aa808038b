package config_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"mmsdispatch/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	liveKey = "mms_live_abcdefghijklmnopqrstuvwx"
	testKey = "mms_test_ABCDEFGHIJKLMNOPQRSTUV0123456789"
)

// complete is an environment that every process takes, with changes.
func complete(changes map[string]string) map[string]string {
	environ := map[string]string{
		"SINCH_NUMBER":    "+12065550111",
		"SINCH_API_TOKEN": "token-0123456789",
	}
	maps.Copy(environ, changes)
	return environ
}

// problemsOf loads an environment that must be refused and returns its
// problems, one "NAME and NAME text" each.
func problemsOf(tb testing.TB, process config.Process, environ map[string]string) []string {
	tb.Helper()

	cfg, err := config.Load(process, environ)

	wrong, ok := errors.AsType[*config.Error](err)
	if !ok || cfg != nil {
		tb.Fatalf("Load gave %v, %v; want an *Error and no configuration", cfg, err)
	}

	texts := make([]string, len(wrong.Problems))
	for i, problem := range wrong.Problems {
		texts[i] = problem.String()
	}
	return texts
}

func load(tb testing.TB, process config.Process, environ map[string]string) *config.Config {
	tb.Helper()

	cfg, err := config.Load(process, environ)
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

func TestDefaults(t *testing.T) {
	t.Parallel()

	cfg := load(t, config.Worker, complete(nil))

	for name, pair := range map[string][2]any{
		"SINCH_API":              {cfg.Sinch.API, "mms"},
		"SINCH_BASE_URL":         {cfg.Sinch.BaseURL, config.Origin("")},
		"SINCH_REGION":           {cfg.Sinch.Region, "us"},
		"SINCH_AUTH_URL":         {cfg.Sinch.AuthURL, config.Endpoint("https://auth.sinch.com/oauth2/token")},
		"SINCH_TIMEOUT":          {cfg.Sinch.Timeout, 10 * time.Second},
		"SINCH_RATE":             {cfg.Sinch.Rate, 10.0},
		"SINCH_PAUSE":            {cfg.Sinch.Pause, 30 * time.Second},
		"SINCH_WEBHOOK_MAX_AGE":  {cfg.Webhook.MaxAge, 24 * time.Hour},
		"SINCH_WEBHOOK_INSECURE": {cfg.Webhook.Insecure, false},
		"PORT":                   {cfg.API.Port, 3000},
		"API_RATE_LIMIT":         {cfg.API.RateLimit, 0.0},
		"QUEUE_LIMIT":            {cfg.API.QueueLimit, int64(1_000_000)},
		"TENANT_QUEUE_LIMIT":     {cfg.API.TenantLimit(), int64(500_000)},
		"TENANT_MEMORY_SHARE":    {cfg.API.TenantMemoryShare, int64(50)},
		"REDIS_URL":              {cfg.Store.RedisURL.Reveal(), "redis://127.0.0.1:6379/0"},
		"DATABASE_URL":           {cfg.Store.DatabaseURL.Reveal(), ""},
		"RECORD_TTL":             {cfg.Store.RecordTTL, 720 * time.Hour},
		"LOG_RETENTION":          {time.Duration(cfg.Log.Retention), 400 * 24 * time.Hour},
		"LOG_NUMBERS":            {cfg.Log.Numbers, "plain"},
		"MMS_DESTINATIONS":       {cfg.Message.Destinations.Regions(), []config.Region{"US", "CA", "AU", "PR"}},
		"DEFAULT_REGION":         {cfg.Message.DefaultRegion, config.Region("US")},
		"DEFAULT_SUBJECT":        {cfg.Message.DefaultSubject, config.Subject("MMS")},
		"MEDIA_CHECK":            {cfg.Media.Check, "worker"},
		"MEDIA_ALLOW_PRIVATE":    {cfg.Media.AllowPrivate, false},
		"MEDIA_MAX_BYTES":        {cfg.Media.MaxBytes, int64(1_048_576)},
		"WORKER_CONCURRENCY":     {cfg.Worker.Concurrency, 50},
		"TASK_TIMEOUT":           {cfg.Worker.TaskTimeout, 30 * time.Second},
		"SHUTDOWN_TIMEOUT":       {cfg.Worker.ShutdownTimeout, 30 * time.Second},
		"RETRY_MAX":              {cfg.Retry.Max, 8},
		"RETRY_BASE":             {cfg.Retry.Base, 2 * time.Second},
		"RETRY_CAP":              {cfg.Retry.Cap, 15 * time.Minute},
		"UNKNOWN_POLICY":         {cfg.Unknown.Policy, "hold"},
		"RECONCILE_AFTER":        {cfg.Unknown.ReconcileAfter, 15 * time.Minute},
		"LOOKUP_WINDOW":          {cfg.Unknown.LookupWindow, time.Minute},
		"ADMIN_ADDR":             {cfg.Admin.Addr, config.HostPort("127.0.0.1:9091")},
		"ADMIN_WRITE":            {cfg.Admin.Write, false},
		"LOG_LEVEL":              {cfg.Telemetry.LogLevel, "info"},
		"LOG_FORMAT":             {cfg.Telemetry.LogFormat, "json"},
	} {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDefaultsOfProcesses(t *testing.T) {
	t.Parallel()

	if addr := load(t, config.API, complete(nil)).Admin.Addr; addr != "127.0.0.1:9090" {
		t.Errorf("api: ADMIN_ADDR = %s", addr)
	}

	dev := load(t, config.Dev, nil)
	if dev.Sinch.API != "simulator" || dev.Sinch.Number == "" || dev.Telemetry.LogFormat != "console" || dev.Process != config.Dev {
		t.Errorf("dev = %+v, %+v", dev.Sinch, dev.Telemetry)
	}

	if number := load(t, config.Ctl, nil).Sinch.Number; number != "" {
		t.Errorf("ctl: SINCH_NUMBER = %s", number)
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		process config.Process
		api     string
		want    []string
	}{
		"api":                 {config.API, "conversation", []string{"SINCH_NUMBER"}},
		"worker mms":          {config.Worker, "mms", []string{"SINCH_NUMBER", "SINCH_API_TOKEN"}},
		"worker batches":      {config.Worker, "batches", []string{"SINCH_NUMBER", "SINCH_SERVICE_PLAN_ID", "SINCH_API_TOKEN"}},
		"worker conversation": {config.Worker, "conversation", []string{"SINCH_NUMBER", "SINCH_PROJECT_ID", "SINCH_APP_ID", "SINCH_KEY_ID", "SINCH_KEY_SECRET"}},
		"worker simulator":    {config.Worker, "simulator", []string{"SINCH_NUMBER"}},
		"dev mms":             {config.Dev, "mms", []string{"SINCH_API_TOKEN"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var names []string

			for _, problem := range problemsOf(t, test.process, map[string]string{"SINCH_API": test.api}) {
				name, text, _ := strings.Cut(problem, " ")
				names = append(names, name)

				if !strings.HasPrefix(text, "is required") {
					t.Errorf("problem %q", problem)
				}
			}

			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("required (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyCountsAsAbsent(t *testing.T) {
	t.Parallel()

	cfg := load(t, config.API, complete(map[string]string{"SINCH_TIMEOUT": "", "MMS_DESTINATIONS": "", "API_KEYS": "", "ADMIN_ADDR": ""}))
	if cfg.Sinch.Timeout != 10*time.Second || len(cfg.Message.Destinations.Regions()) != 4 || cfg.Admin.Addr != "127.0.0.1:9090" {
		t.Errorf("got %+v", cfg)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()

	problems := problemsOf(t, config.Worker, map[string]string{
		"SINCH_API":      "smoke",
		"SINCH_TIMEOUT":  "ten",
		"PORT":           "99999",
		"RETRY_MAX":      "many",
		"ADMIN_WRITE":    "perhaps",
		"SINCH_RATE":     "NaN",
		"REDIS_URL":      "http://localhost",
		"ADMIN_USER":     "ops",
		"DEFAULT_REGION": "XQ",
	})
	want := []string{
		"SINCH_TIMEOUT must be a duration such as 200ms, 30s or 15m",
		"SINCH_API must be one of mms, batches, conversation, simulator",
		"SINCH_RATE must be from 0.001 to 1000000, or 0",
		"PORT must be from 0 to 65535",
		"DEFAULT_REGION must be an ISO 3166 country code such as US",
		"RETRY_MAX must be a whole number",
		"ADMIN_WRITE must be true or false",
		"SINCH_NUMBER is required",
		"ADMIN_USER and ADMIN_PASSWORD must be set both or neither",
		"REDIS_URL must be a URL that begins with redis:// or rediss:// or redis-sentinel:// or rediss-sentinel:// or redis-cluster:// or rediss-cluster://",
	}

	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}

	_, err := config.Load(config.Worker, nil)
	if text := "the configuration has 2 problems:\n  - SINCH_NUMBER is required\n  - SINCH_API_TOKEN is required when SINCH_API is mms"; err.Error() != text {
		t.Errorf("error = %q", err)
	}
}

// Whatever stands in a variable, also in the wrong one, is not repeated.
func TestErrorsNeverShowValues(t *testing.T) {
	t.Parallel()

	const secret = "hunter2-Zq9"

	names := documentedNames(t)
	for _, value := range []string{secret, secret + "\n", "tenant:" + secret, "redis://u:" + secret + "@:bad:/x", "https://u:" + secret + "@h#f", "%zz" + secret} {
		environ := map[string]string{}
		for _, name := range names {
			environ[name] = value
		}

		for _, process := range []config.Process{config.API, config.Worker, config.Dev, config.Ctl} {
			_, err := config.Load(process, environ)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: error %v", process, err)
			}
		}
	}
}

func TestDotEnv(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	environ, err := config.Environ(dir, []string{"PORT=4000"})
	if err != nil || environ["PORT"] != "4000" {
		t.Fatalf("without a file: %v, %v", environ, err)
	}

	write("PORT=5000\nSINCH_NUMBER=+12065550111 # ours\nLOG_LEVEL=debug\n")

	environ, err = config.Environ(dir, []string{"PORT=4000", "LOG_LEVEL="}) // what is set counts, even to nothing
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]string{"PORT": "4000", "SINCH_NUMBER": "+12065550111", "LOG_LEVEL": ""}
	if diff := cmp.Diff(want, environ); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}

	write("SINCH_API_TOKEN hunter2\n")

	if _, err = config.Environ(dir, nil); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), ".env") {
		t.Errorf("unreadable file: %v", err)
	}
}

// TestDotEnvNamesLineAndCause, and repeats nothing of the file.
func TestDotEnvNamesLineAndCause(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"SINCH_API_TOKEN hunter2\n":                         ".env cannot be read: line 1 is not NAME=value",
		"PORT=1\n\n# note\nhunter2\nLOG_LEVEL=info\n":       ".env cannot be read: line 4 is not NAME=value",
		"PORT=1\nA=\"x\ny\"\nB=\"hunter2\nLOG_LEVEL=info\n": ".env cannot be read: line 4 has a quote that is not closed",
		"PORT=1\nA-B=hunter2\n":                             ".env cannot be read: line 2 has a name with other characters",
		"\ufeffPORT=1\r\nhunter2\r\n":                       ".env cannot be read: line 2 is not NAME=value",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		_, err := config.Environ(dir, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestDotEnvWithByteOrderMark, as editors write it.
func TestDotEnvWithByteOrderMark(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"PORT=1\nLOG_LEVEL=debug\n", "\ufeffPORT=1\r\nLOG_LEVEL=debug", "\xff\xfeP\x00O\x00R\x00T\x00=\x001\x00\n\x00"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		if environ, err := config.Environ(dir, nil); err != nil || environ["PORT"] != "1" {
			t.Errorf("%q: %v, %v", text, environ, err)
		}

		if config.DotEnvFile(dir) == "" || config.DotEnvFile(t.TempDir()) != "" {
			t.Error("the file is not found where it is")
		}
	}
}

// TestMisspeltVariables are noticed, and those of other programs are not.
func TestMisspeltVariables(t *testing.T) {
	t.Parallel()

	for name, meant := range map[string]string{
		"MEDIA_CHEK": "MEDIA_CHECK", "RETRY_MAXX": "RETRY_MAX", "REDIS_URI": "REDIS_URL", "REDISURL": "REDIS_URL", "API_KEY": "API_KEYS",
		"WORKER_CONCURENCY": "WORKER_CONCURRENCY", "ADMIN_PASS": "ADMIN_PASSWORD", "log_level": "LOG_LEVEL", "MMS_DESTINATION": "MMS_DESTINATIONS",
		"SINCH_CALLBACK_UR": "SINCH_CALLBACK_URL",
	} {
		got := load(t, config.Worker, complete(map[string]string{name: "1"})).Warnings()
		if len(got) != 1 || got[0] != name+" is set but has no effect: is "+meant+" meant?" {
			t.Errorf("%s: %q", name, got)
		}
	}

	others := map[string]string{
		"PATH": "1", "HOME": "1", "HOSTNAME": "1", "POST": "1", "PORTS": "1", "REDIS_PORT": "1", "API_SERVICE_HOST": "1", "GOMEMLIMIT": "1",
		"POSTGRES_PASSWORD": "1", "MMS_URL": "1", "MMS_KEY": "1", "KUBERNETES_PORT": "1", "LANG": "1", "LOGNAME": "1", "OTEL_SERVICE_NAME": "1",
	}
	if got := load(t, config.Worker, complete(others)).Warnings(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// TestCallbackURLIsTheBase: the refusal names the right value, and the webhook
// path is appended once.
func TestCallbackURLIsTheBase(t *testing.T) {
	t.Parallel()

	for written, right := range map[string]string{
		"https://x.example/webhooks/sinch/dlr":                   "https://x.example:",
		"https://x.example:8443/mms/webhooks/sinch/dlr/":         "https://x.example:8443/mms:",
		"https://x.example/webhooks/sinch/inbound?token=hunter2": "https://x.example:",
	} {
		problems := problemsOf(t, config.Worker, complete(map[string]string{"SINCH_CALLBACK_URL": written}))
		if len(problems) != 1 || !strings.Contains(problems[0], " which is "+right) || strings.Contains(problems[0], "hunter2") {
			t.Errorf("%s: %q", written, problems)
		}
	}

	for base, want := range map[string]string{
		"https://x.example":       "https://x.example/webhooks/sinch/dlr?token=a-b_c.~9",
		"https://x.example/mms/":  "https://x.example/mms/webhooks/sinch/dlr?token=a-b_c.~9",
		"https://x.example/a%20b": "https://x.example/a%20b/webhooks/sinch/dlr?token=a-b_c.~9",
	} {
		cfg := load(t, config.Worker, complete(map[string]string{"SINCH_CALLBACK_URL": base, "SINCH_WEBHOOK_TOKEN": "a-b_c.~9"}))
		if got := cfg.ReceiptURL().String(); got != want {
			t.Errorf("%s: %s, want %s", base, got, want)
		}

		if shown := cfg.ShownReceiptURL(); strings.Contains(shown, "a-b_c") || !strings.HasSuffix(shown, "/webhooks/sinch/dlr?token=[redacted]") {
			t.Errorf("shown as %s", shown)
		}
	}

	if none := load(t, config.Worker, complete(nil)); none.ReceiptURL() != nil || none.ShownReceiptURL() != "" {
		t.Error("a URL without a base")
	}
}

// TestCallbackURLOfAPrivateNetworkIsAWarning, unless Sinch is there, too.
func TestCallbackURLOfAPrivateNetworkIsAWarning(t *testing.T) {
	t.Parallel()

	const warning = "SINCH_CALLBACK_URL names a host of this network, which Sinch cannot reach: no receipts will come"

	for _, host := range []string{"127.0.0.1:3000", "localhost", "10.1.2.3", "192.168.0.7", "[::1]:3000", "[fd00::1]", "api", "api.svc.internal", "169.254.1.1"} {
		environ := map[string]string{"SINCH_CALLBACK_URL": "https://" + host}
		if got := load(t, config.Worker, complete(environ)).Warnings(); !slices.Equal(got, []string{warning}) {
			t.Errorf("%s: %q", host, got)
		}

		environ["SINCH_BASE_URL"] = "http://simulator:8080"
		if got := load(t, config.Worker, complete(environ)).Warnings(); len(got) > 0 {
			t.Errorf("%s beside a simulator: %q", host, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		process config.Process
		environ map[string]string
		want    []string // how the lines begin
	}{
		"nothing to say": {config.API, map[string]string{"SINCH_WEBHOOK_TOKEN": "t"}, nil},
		"worker":         {config.Worker, nil, nil},
		"dev":            {config.Dev, nil, nil},
		"no checks": {config.API, nil, []string{
			"receipts of the mms API are refused", "receipts of the batches API are refused", "receipts of the conversation API are refused",
		}},
		"hmac only": {config.API, map[string]string{"SINCH_WEBHOOK_SECRET": "s"}, []string{"receipts of the mms API are refused"}},
		"basic only": {
			config.API,
			map[string]string{"SINCH_WEBHOOK_USER": "u", "SINCH_WEBHOOK_PASSWORD": "p"},
			[]string{"receipts of the mms API are refused", "receipts of the conversation API are refused"},
		},
		"insecure": {
			config.API,
			map[string]string{"SINCH_WEBHOOK_INSECURE": "true", "SINCH_WEBHOOK_SECRET": "s"},
			[]string{"receipts of the mms API are accepted without a check"},
		},
		"conversation": {
			config.Worker,
			map[string]string{
				"SINCH_API": "conversation", "SINCH_PROJECT_ID": "p", "SINCH_APP_ID": "a", "SINCH_KEY_ID": "k", "SINCH_KEY_SECRET": "s",
			},
			[]string{"SINCH_CALLBACK_URL is not set: without a webhook of the app"},
		},
		"limits of senders that nothing is sent from": {
			config.Worker,
			map[string]string{
				"SINCH_NUMBER": "+12065550100", "SINCH_SENDERS": "12065550101",
				"SINCH_SENDER_RATES": "12065550100=1,+12065550101=2,12065550102=3", "SINCH_SENDER_DAILY": "+12065550103=4,55555=5",
			},
			[]string{
				"SINCH_SENDER_RATES has numbers that are neither SINCH_NUMBER nor in SINCH_SENDERS (1)",
				"SINCH_SENDER_DAILY has numbers that are neither SINCH_NUMBER nor in SINCH_SENDERS (2)",
			},
		},
		"the rest": {
			config.Worker,
			map[string]string{
				"SINCH_API": "batches", "SINCH_SERVICE_PLAN_ID": "plan", "SINCH_TOKEN": "mistyped",
				"MEDIA_ALLOW_PRIVATE": "true", "UNKNOWN_POLICY": "resend",
			},
			[]string{"SINCH_TOKEN is set but", "SINCH_CALLBACK_URL is not set: no delivery reports", "MEDIA_ALLOW_PRIVATE is on", "UNKNOWN_POLICY is resend"},
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := load(t, test.process, complete(test.environ)).Warnings()
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("warnings = %q, want %q", got, test.want)
			}
		})
	}
}
