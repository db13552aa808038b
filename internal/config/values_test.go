package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/config"
)

// Every rule about one variable, from both sides.
func TestValues(t *testing.T) {
	t.Parallel()

	const key32 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

	tests := map[string]struct{ good, bad []string }{
		"SINCH_API":                   {[]string{"mms", "simulator"}, []string{"MMS", "sms", "mms "}},
		"SINCH_BASE_URL":              {[]string{"http://127.0.0.1:8080", "https://x.example/", "http://[::1]:80"}, []string{"x.example", "ftp://x", "https://", "https://u@x", "https://x/ep/v2/", "https://x?a=b", "https://x#f", "https://x:0", "https://x:99999", "//x"}},
		"SINCH_AUTH_URL":              {[]string{"https://x/oauth2/token?a=b"}, []string{"token", "https://u:p@x/t"}},
		"SINCH_CALLBACK_URL":          {[]string{"https://x", "https://x/base/", "https://x/webhooks"}, []string{"/base", "https://x?a=b", "https://u:p@x", "https://x/webhooks/sinch/dlr", "https://x/a/webhooks/sinch/inbound/", "https://x/webhooks/sinch?token=t", "https://x//WEBHOOKS/sinch/dlr"}},
		"SINCH_WEBHOOK_TOKEN":         {[]string{"abc", "A-z_0.9~", strings.Repeat("ab", 32)}, []string{"abc+def/==", "a b", "a%2Bb", "a&b", "a#b", "ä", "a="}},
		"OTEL_EXPORTER_OTLP_ENDPOINT": {[]string{"http://collector:4318"}, []string{"collector:4318"}},
		"SINCH_REGION":                {[]string{"us", "ca"}, []string{"US", "mars"}},
		"SINCH_NUMBER":                {[]string{"+12065550111", "12065550111", "88202", "447700900123"}, []string{"+0206", "+1 206 555 0111", "12", "ACME", "+1234567890123456", "12345678901234567", "１２３４５"}},
		"SINCH_SENDERS":               {[]string{"+12065550111,88202", "+12065550111, 88202"}, []string{"+12065550111,", ",", "a,b"}},
		"SINCH_API_TOKEN":             {[]string{"a b:c"}, []string{"token\n", "to\x00ken", "\x7f"}},
		"SINCH_SERVICE_PLAN_ID":       {[]string{"plan_1"}, []string{"a/b", "a b", "ü"}},
		"SINCH_TIMEOUT":               {[]string{"1ms", "9s"}, []string{"999us", "0", "0s", "-1s", "10", "10 s"}},
		"SINCH_RATE":                  {[]string{"0", "0.5", "10", "1e3"}, []string{"-1", "Inf", "NaN", "ten", "1e-9", "2000000"}},
		"SINCH_WEBHOOK_MAX_AGE":       {[]string{"1ms"}, []string{"0", "1"}},
		"SINCH_WEBHOOK_INSECURE":      {[]string{"true", "false", "1"}, []string{"yes", "on"}},
		"PORT":                        {[]string{"0", "1", "65535"}, []string{"-1", "65536", "http", "80.5"}},
		"API_RATE_LIMIT":              {[]string{"0", "1", "0.2"}, []string{"-1", "x"}},
		"QUEUE_LIMIT":                 {[]string{"1", "5000000000"}, []string{"0", "-1", "1e6"}},
		"TRUSTED_PROXIES":             {[]string{"10.0.0.0/8", "10.1.2.3/8, fd00::/8", "127.0.0.1"}, []string{"10.0.0.0/33", "proxy", "10.0.0.0/8,", "*", "10.0.0.0-10.0.0.9"}},
		"TENANT_QUEUE_LIMIT":          {[]string{"0", "1", "5000000000"}, []string{"-1", "1e6"}},
		"TENANT_MEMORY_SHARE":         {[]string{"1", "100"}, []string{"0", "101", "50%"}},
		"REDIS_URL":                   {[]string{"redis://:p@h:1/2", "rediss://h", "redis-sentinel://h:1?master_name=m&addr=b:2", "rediss-cluster://h:1?addr=b:2"}, []string{"h:6379", "unix:///s", "http://h", "redis://%zz"}},
		"DATABASE_URL":                {[]string{"postgres://u:p@h/d", "postgresql:///d?host=/run"}, []string{"host=h", "mysql://h/d"}},
		"SENTRY_DSN":                  {[]string{"https://key@sentry.example/1", "https://key:old@sentry.example:9000/sub/1"}, []string{"key@sentry.example/1", "https://sentry.example/1", "https://key@sentry.example", "https://key@sentry.example/", "https://key@/1", "https://key@sentry.example:0/1", "https://@sentry.example/1"}},
		"RECORD_TTL":                  {[]string{"200ms"}, []string{"30d", "0"}},
		"RECORD_KEYS":                 {[]string{"k1:" + key32, "2026-11:" + key32 + ", old.1:" + key32}, []string{key32, ":" + key32, "k1:", "k1:" + key32[4:], "k1:" + key32 + ",k1:" + key32, "k 1:" + key32, "k1:" + key32 + ",", "k1:" + strings.Repeat("=", 44)}},
		"CONTENT_TTL":                 {[]string{"0", "1ms", "24h"}, []string{"-1s", "1d", "soon"}},
		"LOG_RETENTION":               {[]string{"400d", "1d", "200ms", "36h"}, []string{"0", "0d", "-1d", "1.5d", "d", "400", "99999999d"}},
		"LOG_NUMBERS":                 {[]string{"plain"}, []string{"off", "Hash"}}, // hash needs LOG_HASH_KEY
		"LOG_HASH_KEY":                {[]string{key32}, []string{key32[4:], "x"}},
		"MMS_DESTINATIONS":            {[]string{"*", "US", "us, CA"}, []string{"US,*", "US,", "USA", "XX", "1"}},
		"DEFAULT_REGION":              {[]string{"US", "gb"}, []string{"XX", "*", "USA"}},
		"EXTRA_AREA_CODES":            {[]string{"861:US", "861:us, 942:CA,658:JM"}, []string{"861", "861:US,", "061:US", "86:US", "8611:US", "861:GB", "861:XX", "+861:US", "861:US;679:US"}},
		"DEFAULT_SUBJECT":             {[]string{"Hallo – wie geht’s?", "Grüße", strings.Repeat("x", 80)}, []string{"  ", "\u00a0", "a\u200bb", "a\u202eb", "a\u2028b", "a\u00adb", strings.Repeat("x", 81), "a\nb", "привет", "a\xff", "\u0085"}},
		"MEDIA_CHECK":                 {[]string{"worker", "accept", "off"}, []string{"on"}},
		"MEDIA_ALLOW_PRIVATE":         {[]string{"true"}, []string{"2"}},
		"MEDIA_MAX_BYTES":             {[]string{"1"}, []string{"0", "1MB"}},
		"WORKER_CONCURRENCY":          {[]string{"1", "10000"}, []string{"0", "10001"}},
		"TASK_TIMEOUT":                {[]string{"11s"}, []string{"0", "x"}},
		"SHUTDOWN_TIMEOUT":            {[]string{"10.001s"}, []string{"0", "x"}},
		"RETRY_MAX":                   {[]string{"0", "1000"}, []string{"-1", "1001"}},
		"RETRY_BASE":                  {[]string{"1ms"}, []string{"0", "500us"}},
		"RETRY_CAP":                   {[]string{"2s"}, []string{"0"}},
		"SINCH_PAUSE":                 {[]string{"1ms"}, []string{"0"}},
		"UNKNOWN_POLICY":              {[]string{"hold", "resend"}, []string{"drop"}},
		"RECONCILE_AFTER":             {[]string{"1ms"}, []string{"0"}},
		"LOOKUP_WINDOW":               {[]string{"0", "0s", "1ms"}, []string{"500us", "-1s", "0.5"}},
		"ADMIN_ADDR":                  {[]string{"127.0.0.1:0", "[::1]:9090", "localhost:9090", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"}, []string{"9090", "127.0.0.1", "127.0.0.1:http", ":9090", "0.0.0.0:9090", "10.0.0.1:9090", "example.com:9090"}},
		"ADMIN_WRITE":                 {[]string{"true"}, []string{"rw"}},
		"LOG_LEVEL":                   {[]string{"trace", "error"}, []string{"INFO", "fatal"}},
		"LOG_FORMAT":                  {[]string{"json", "console"}, []string{"text"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			for _, good := range test.good {
				if _, err := config.Load(config.Worker, complete(map[string]string{name: good})); err != nil {
					t.Errorf("%q is refused: %v", good, err)
				}
			}

			for _, bad := range test.bad {
				problems := problemsOf(t, config.Worker, complete(map[string]string{name: bad}))
				if len(problems) != 1 || !strings.HasPrefix(problems[0], name+" must ") && !strings.HasPrefix(problems[0], name+" entry ") {
					t.Errorf("%q: problems %q", bad, problems)
				}
			}
		})
	}
}

func TestValuesTogether(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		environ map[string]string
		want    string // how the only problem begins; empty: it is fine
	}{
		"call fits the task exactly":          {map[string]string{"SINCH_TIMEOUT": "10s", "TASK_TIMEOUT": "11s"}, ""},
		"call does not fit the task":          {map[string]string{"SINCH_TIMEOUT": "10.001s", "TASK_TIMEOUT": "11s"}, "SINCH_TIMEOUT and TASK_TIMEOUT "},
		"task shorter than its margin":        {map[string]string{"SINCH_TIMEOUT": "1ms", "TASK_TIMEOUT": "1ms"}, "SINCH_TIMEOUT and TASK_TIMEOUT "},
		"call as long as the shutdown":        {map[string]string{"SINCH_TIMEOUT": "10s", "SHUTDOWN_TIMEOUT": "10s"}, "SINCH_TIMEOUT and SHUTDOWN_TIMEOUT "},
		"unreadable value is one problem":     {map[string]string{"SINCH_TIMEOUT": "x", "TASK_TIMEOUT": "1ms"}, "SINCH_TIMEOUT must be a duration"},
		"base over cap":                       {map[string]string{"RETRY_BASE": "3s", "RETRY_CAP": "2s"}, "RETRY_BASE and RETRY_CAP "},
		"base is cap":                         {map[string]string{"RETRY_BASE": "2s", "RETRY_CAP": "2s"}, ""},
		"webhook user alone":                  {map[string]string{"SINCH_WEBHOOK_USER": "u"}, "SINCH_WEBHOOK_USER and SINCH_WEBHOOK_PASSWORD "},
		"webhook password alone":              {map[string]string{"SINCH_WEBHOOK_PASSWORD": "p"}, "SINCH_WEBHOOK_USER and SINCH_WEBHOOK_PASSWORD "},
		"open admin with credentials":         {map[string]string{"ADMIN_ADDR": "0.0.0.0:9090", "ADMIN_USER": "u", "ADMIN_PASSWORD": "p"}, ""},
		"open admin without":                  {map[string]string{"ADMIN_ADDR": "[::]:9090"}, "ADMIN_ADDR must be a loopback address"},
		"certificate without its key":         {map[string]string{"TLS_CERT_FILE": "/tls.crt"}, "TLS_CERT_FILE and TLS_KEY_FILE "},
		"key without its certificate":         {map[string]string{"TLS_KEY_FILE": "/tls.key"}, "TLS_CERT_FILE and TLS_KEY_FILE "},
		"certificate and key":                 {map[string]string{"TLS_CERT_FILE": "/tls.crt", "TLS_KEY_FILE": "/tls.key"}, ""},
		"region the conversation API has":     {conversation("eu", ""), ""},
		"region the conversation API has not": {conversation("au", ""), "SINCH_API and SINCH_REGION "},
		"region of no consequence":            {conversation("au", "http://127.0.0.1:1"), ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if test.want == "" {
				load(t, config.Worker, complete(test.environ))
				return
			}

			problems := problemsOf(t, config.Worker, complete(test.environ))
			if len(problems) != 1 || !strings.HasPrefix(problems[0], test.want) {
				t.Errorf("problems %q, want one that begins %q", problems, test.want)
			}
		})
	}
}

func conversation(region, baseURL string) map[string]string {
	return map[string]string{
		"SINCH_API": "conversation", "SINCH_REGION": region, "SINCH_BASE_URL": baseURL,
		"SINCH_PROJECT_ID": "p", "SINCH_APP_ID": "a", "SINCH_KEY_ID": "k", "SINCH_KEY_SECRET": "s",
	}
}

func TestNormalisedURLs(t *testing.T) {
	t.Parallel()

	cfg := load(t, config.Worker, complete(map[string]string{
		"SINCH_BASE_URL":     "http://127.0.0.1:8080/",
		"SINCH_CALLBACK_URL": "https://x.example/base//",
	}))
	if cfg.Sinch.BaseURL != "http://127.0.0.1:8080" || cfg.Sinch.CallbackURL != "https://x.example/base" {
		t.Errorf("got %q and %q", cfg.Sinch.BaseURL, cfg.Sinch.CallbackURL)
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()

	some := load(t, config.API, complete(map[string]string{"MMS_DESTINATIONS": "us, gb"})).Message.Destinations
	if diff := cmp.Diff([]config.Region{"US", "GB"}, some.Regions()); diff != "" || some.Any() {
		t.Errorf("any %v, regions (-want +got):\n%s", some.Any(), diff)
	}

	every := load(t, config.API, complete(map[string]string{"MMS_DESTINATIONS": "*"})).Message.Destinations
	if !every.Any() || len(every.Regions()) != 0 {
		t.Errorf("any %v, regions %v", every.Any(), every.Regions())
	}
}

// Every wrong entry of a list is named, and none is quoted.
func TestListsNameAllWrongEntries(t *testing.T) {
	t.Parallel()

	for name, written := range map[string]string{"SINCH_SENDERS": "abc,88202,xyz", "MMS_DESTINATIONS": "QQ,US,QX"} {
		problems := problemsOf(t, config.API, complete(map[string]string{name: written}))
		if len(problems) != 1 || !strings.Contains(problems[0], "entry 1 ") || !strings.Contains(problems[0], "; entry 3 ") ||
			strings.Contains(problems[0], "entry 2") || strings.Contains(problems[0], "xyz") || strings.Contains(problems[0], "QX") {
			t.Errorf("%s=%s: problems %q", name, written, problems)
		}
	}
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()

	written := "acme:" + liveKey + ",acme:" + testKey + ",o-t_1:" + liveKey + "x,acme:" + liveKey
	want := []config.APIKey{
		{Tenant: "acme", Key: config.NewSecret(liveKey)},
		{Tenant: "acme", Key: config.NewSecret(testKey)},
		{Tenant: "o-t_1", Key: config.NewSecret(liveKey + "x")},
	}

	got := load(t, config.API, complete(map[string]string{"API_KEYS": written})).API.Keys.List()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}

	refused := map[string]string{
		"acme":                      "entry 1 needs a key",
		liveKey:                     "entry 1 needs a key",
		"acme:" + liveKey + ",":     "entry 2 is empty",
		"Acme:" + liveKey:           "entry 1 needs a tenant",
		"acme :" + liveKey:          "entry 1 needs a tenant",
		":" + liveKey:               "entry 1 needs a tenant",
		"acme:mms_live_short":       "entry 1 needs a key",
		"acme:mms_prod_" + liveKey:  "entry 1 needs a key",
		"acme:" + liveKey + ":more": "entry 1 needs a key",
		"acme:mms_live_" + strings.Repeat("a", 65):              "entry 1 needs a key",
		strings.Repeat("a", 41) + ":" + liveKey:                 "entry 1 needs a tenant",
		"acme:" + liveKey + ",other:" + liveKey:                 "entry 2 has a key that another tenant has too",
		"T:k":                                                   "entry 1 needs a tenant of 1 to 40 of a-z 0-9 _ - and needs a key of mms_live_ or mms_test_ and 24 to 64 letters and digits",
		liveKey + ":Acme":                                       "entry 1 needs a key",
		"Acme,Other:" + liveKey:                                 "and needs a key of mms_live_ or mms_test_ and 24 to 64 letters and digits; entry 2 needs a tenant",
		"acme:x,acme:" + liveKey + ",:,other:" + testKey + "-+": "entry 1 needs a key of mms_live_ or mms_test_ and 24 to 64 letters and digits; entry 3 is empty; entry 4 needs a key",
	}
	for written, want := range refused {
		problems := problemsOf(t, config.API, complete(map[string]string{"API_KEYS": written}))
		if len(problems) != 1 || !strings.Contains(problems[0], want) || strings.Contains(problems[0], "abcdefghij") {
			t.Errorf("%q: problems %q, want %q", written, problems, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("acme:"+liveKey, "+12065550111,88202", "US,CA", "https://x.example/a?b#c", "127.0.0.1:9090", "10s")
	f.Add(",:", ",", "*", "http://[::1]:0/", ":", "-1ns")

	f.Fuzz(func(t *testing.T, keys, senders, destinations, address, admin, timeout string) {
		cfg, err := config.Load(config.API, complete(map[string]string{
			"API_KEYS": keys, "SINCH_SENDERS": senders, "MMS_DESTINATIONS": destinations,
			"SINCH_BASE_URL": address, "SINCH_CALLBACK_URL": address, "ADMIN_ADDR": admin, "SINCH_TIMEOUT": timeout,
		}))
		if (cfg == nil) == (err == nil) {
			t.Fatalf("Load gave %v, %v", cfg, err)
		}

		if cfg == nil {
			return
		}

		if !cfg.Admin.Addr.Loopback() || cfg.Sinch.Timeout < 1 || strings.ContainsAny(string(cfg.Sinch.BaseURL), "@#? ") {
			t.Errorf("taken: %+v", cfg)
		}
	})
}

// FuzzAPIKeys: a list that is taken is what was written, without repetitions,
// and one that is refused shows none of its keys.
func FuzzAPIKeys(f *testing.F) {
	f.Add("acme:" + liveKey + ",acme:" + testKey)
	f.Add("acme:" + liveKey + ",acme:" + liveKey)
	f.Add("a:" + liveKey + ",b:" + liveKey)
	f.Add(liveKey + ":acme,,:")
	f.Fuzz(func(t *testing.T, written string) {
		var keys config.APIKeys
		if err := keys.UnmarshalText([]byte(written)); err != nil {
			if strings.Contains(err.Error(), liveKey) || strings.Contains(err.Error(), testKey) || len(keys.List()) > 0 {
				t.Errorf("%q: %v, %d keys", written, err, len(keys.List()))
			}
			return
		}

		var entries []string
		for _, key := range keys.List() {
			entries = append(entries, key.Tenant+":"+key.Key.Reveal())
		}

		var want []string
		for entry := range strings.SplitSeq(written, ",") {
			if !slices.Contains(want, entry) {
				want = append(want, entry)
			}
		}

		if !slices.Equal(entries, want) {
			t.Errorf("%q was read as %q", written, entries)
		}
	})
}
