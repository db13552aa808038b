package doctor_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mmsdispatch/internal/doctor"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

const plan = "plan-1"

// of is a sound environment for an API at a base URL.
func of(api, base string) map[string]string {
	return sound(map[string]string{
		"SINCH_API": api, "SINCH_BASE_URL": base, "SINCH_SERVICE_PLAN_ID": plan, "SINCH_CALLBACK_URL": base,
		"SINCH_PROJECT_ID": "project", "SINCH_APP_ID": "app", "SINCH_KEY_ID": "key", "SINCH_KEY_SECRET": sinchKey, "SINCH_AUTH_URL": base + "/oauth2/token",
	})
}

// The calls send no message.
func TestSinchCredentials(t *testing.T) {
	t.Parallel()
	for _, api := range []string{"mms", "batches"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			sim := simtest.Start(t, sinchsim.Options{
				MMS: sinchsim.MMSOptions{APIKey: sinchKey}, Batches: sinchsim.BatchesOptions{Token: sinchKey, Plan: plan},
			})
			environ := of(api, sim.URL)
			environ["REDIS_URL"] = redistest.Start(t).URL()
			report := examine(t, environ)
			want(t, report, "sinch", "ok "+strings.TrimPrefix(sim.URL, "http://")+" accepts the ")
			want(t, report, "sinch clock", "ok Redis' clock is * s * Sinch's")
			environ["SINCH_API_TOKEN"] = "another"
			want(t, examine(t, environ), "sinch", "fail*does not accept the *→ check SINCH_API_TOKEN")
			if n := sim.Stats().Accepted; n != 0 {
				t.Errorf("%d messages were accepted", n)
			}
		})
	}
}

// answering is a Sinch API with one response.
func answering(tb testing.TB, status int, body string) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

func TestSinchAnswers(t *testing.T) {
	t.Parallel()
	failure := func(code string) string {
		return `{"status":"Failure","error-code":"` + code + `","error-info":"about 12065551212"}`
	}
	tests := map[string]struct {
		api    string
		status int
		body   string
		line   string
	}{
		"mms key taken":           {"mms", 200, failure("E107"), "ok*accepts the API key (E107"},
		"mms key taken, parse":    {"mms", 200, failure("E108"), "ok*accepts the API key (E108"},
		"mms key taken, to":       {"mms", 400, failure("E110"), "ok*accepts the API key (E110"},
		"mms bad key":             {"mms", 200, failure("E104"), "fail*(E104)*→ check SINCH_API_TOKEN"},
		"mms bad key, 401":        {"mms", 401, failure("E104"), "fail*(E104)"},
		"mms blocked":             {"mms", 200, failure("E103"), "fail*blocked the account (E103)"},
		"mms no access":           {"mms", 200, failure("E105"), "fail*(E105)"},
		"mms address":             {"mms", 200, failure("E112"), "fail*this machine's address (E112)"},
		"mms billing":             {"mms", 200, failure("E713"), "fail*(E713)"},
		"mms slower":              {"mms", 200, failure("E113"), "warn*lower rate (E113)"},
		"mms trouble":             {"mms", 200, failure("E503"), "warn*internal error (E503)"},
		"mms not a call":          {"mms", 200, failure("E100"), "warn*(E100)"},
		"mms number for a code":   {"mms", 200, `{"status":"Failure","error-code":104}`, "fail*not Sinch's"},
		"mms something else":      {"mms", 200, `<html>`, "fail*not Sinch's → check SINCH_BASE_URL"},
		"mms success of nothing":  {"mms", 200, `{"status":"Success"}`, "fail*not Sinch's"},
		"mms 401":                 {"mms", 401, ``, "fail*HTTP 401"},
		"mms 404":                 {"mms", 404, ``, "fail*HTTP 404"},
		"mms 503":                 {"mms", 503, ``, "warn*HTTP 503"},
		"mms redirect":            {"mms", 302, ``, "fail*HTTP 302*no answer of Sinch's"},
		"batches":                 {"batches", 200, `{"count":0,"page":0,"batches":[],"page_size":0}`, "ok*accepts the token for the service plan"},
		"batches something else":  {"batches", 200, `{}`, "fail*not Sinch's"},
		"batches 401":             {"batches", 401, ``, "fail*HTTP 401*→ check SINCH_API_TOKEN and SINCH_SERVICE_PLAN_ID"},
		"batches 403":             {"batches", 403, `{"code":"blocked_account"}`, "fail*HTTP 403*→ contact Sinch"},
		"batches 404":             {"batches", 404, ``, "fail*HTTP 404*SINCH_REGION"},
		"batches 429":             {"batches", 429, ``, "warn*HTTP 429"},
		"batches 500":             {"batches", 500, ``, "warn*HTTP 500"},
		"conversation bad key":    {"conversation", 401, ``, "fail*HTTP 401*→ check SINCH_KEY_ID and SINCH_KEY_SECRET"},
		"conversation bad client": {"conversation", 400, `{"error":"invalid_client"}`, "fail*→ check SINCH_KEY_ID and SINCH_KEY_SECRET"},
		"conversation no token":   {"conversation", 200, `{}`, "fail*not Sinch's → check SINCH_AUTH_URL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, of(tt.api, answering(t, tt.status, tt.body)))
			want(t, report, "sinch", tt.line)
			if strings.Contains(printed(t, report), "5551212") {
				t.Error("Sinch's text is printed")
			}
		})
	}
}

// conversation is a Conversation API with one app.
func conversation(tb testing.TB, status int, app string) string {
	tb.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("key:"+sinchKey))
		if body, _ := io.ReadAll(r.Body); r.Header.Get("Authorization") != basic || string(body) != "grant_type=client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"token-hunter2","expires_in":3599}`)
	})
	mux.HandleFunc("GET /v1/projects/project/apps/app", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-hunter2" {
			status = http.StatusUnauthorized
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, app)
	})
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	return server.URL
}

func TestSinchConversation(t *testing.T) {
	t.Parallel()
	app := func(channel, days string) string {
		return `{"id":"app","channel_credentials":[{"channel":"SMS"},` + channel + `],"dispatch_retention_policy":{"retention_type":"MESSAGE_EXPIRE_POLICY","ttl_days":` + days + `}}`
	}
	const token, known, mms = "ok*accepts the access key", "ok*knows the app", "ok the app has the channel MMS"
	tests := map[string]struct {
		status int
		app    string
		lines  []string
	}{
		"sound":        {200, app(`{"channel":"MMS","state":{"status":"ACTIVE"}}`, "3"), []string{token, known, mms, "ok*keeps dispatched messages for 3 days"}},
		"no retention": {200, app(`{"channel":"MMS"}`, "0"), []string{token, known, mms, "warn*ttl_days 0*→ set ttl_days"}},
		"no channel":   {200, app(`{"channel":"RCS"}`, "1"), []string{token, known, "fail the app has no channel MMS", "ok"}},
		"pending":      {200, app(`{"channel":"MMS","state":{"status":"PENDING"}}`, "1"), []string{token, known, "warn*not active", "ok"}},
		"odd state":    {200, app(`{"channel":"MMS","state":"?"}`, "1"), []string{token, known, mms, "ok"}},
		"wrong region": {404, `{"error":{"code":404}}`, []string{token, "fail*HTTP 404*→ check SINCH_PROJECT_ID and SINCH_APP_ID, SINCH_REGION"}},
		"no access":    {403, ``, []string{token, "fail*HTTP 403"}},
		"no app":       {200, `[]`, []string{token, "fail*not Sinch's"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, of("conversation", conversation(t, tt.status, tt.app)))
			want(t, report, "sinch", tt.lines...)
			if strings.Contains(printed(t, report), "hunter2") {
				t.Error("a secret is printed")
			}
		})
	}
}

func TestSinchThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, api := range []string{"mms", "batches", "conversation"} {
		report := examine(t, of(api, "http://"+nowhere))
		want(t, report, "sinch", "fail "+nowhere+" does not respond: connection refused → check SINCH_BASE_URL")
		if report.Level() != doctor.Fail {
			t.Errorf("the report is %s", report.Level())
		}
	}
}
