package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const testKey = "mms_test_000000000000000000000000"

// fakeAPI knows one message and one batch, and records requests.
type fakeAPI struct {
	mu      sync.Mutex
	request []string
}

// ServeHTTP implements http.Handler.
func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.request = append(f.request, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
	f.mu.Unlock()
	switch {
	case r.URL.String() == "/v1/batches?clientReference=file-7":
		_, _ = io.WriteString(w, `{"data":[{"id":"bat_7"}],"nextCursor":null}`)
	case r.URL.Query().Get("clientReference") == "order-7":
		_, _ = io.WriteString(w, `{"data":[{"id":"msg_7"}],"nextCursor":null}`)
	case r.URL.Query().Has("clientReference"):
		_, _ = io.WriteString(w, `{"data":[],"nextCursor":null}`)
	case strings.Contains(r.URL.Path, "missing"):
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"detail":"There is no such message.","code":"not_found"}`)
	default:
		w.Header().Set("Idempotent-Replayed", "true")
		_, _ = io.WriteString(w, `{"id":"msg_7"}`)
	}
}

func TestMessageCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args    []string
		request string // the last request
		says    string
		fails   bool
	}{
		"status of an id":        {[]string{"status", "msg_1"}, "GET /v1/messages/msg_1", `"id": "msg_7"`, false},
		"status of a batch":      {[]string{"status", "bat_1"}, "GET /v1/batches/bat_1", `"id": "msg_7"`, false},
		"status of a reference":  {[]string{"status", "order-7"}, "GET /v1/messages/msg_7", `"id": "msg_7"`, false},
		"status of nothing":      {[]string{"status", "order-8"}, "GET /v1/batches?clientReference=order-8", "no message and no batch with the reference order-8", true},
		"status of a missing id": {[]string{"status", "msg_missing"}, "GET /v1/messages/msg_missing", "(not_found): There is no such message.", true},
		"cancel by reference":    {[]string{"cancel", "order-7"}, "POST /v1/messages/msg_7/cancel", `"id": "msg_7"`, false},
		"cancel of a batch":      {[]string{"cancel", "bat_1"}, "POST /v1/batches/bat_1/cancel", "", false},
		"status of a batch's":    {[]string{"status", "file-7"}, "GET /v1/batches/bat_7", `"id": "msg_7"`, false},
		"cancel of a batch's":    {[]string{"cancel", "file-7"}, "POST /v1/batches/bat_7/cancel", "", false},
		"replay of a batch's":    {[]string{"replay", "file-7"}, "GET /v1/batches?clientReference=file-7", "only its messages", true},
		"replay by reference":    {[]string{"replay", "order-7", "--force"}, `POST /v1/messages/msg_7/replay {"force":true}`, "", false},
		"replay of a batch":      {[]string{"replay", "bat_1"}, "", "only its messages", true},
		"send": {
			[]string{"send", "--to", "1", "--media", "m", "--send-at", "2030-01-31T09:00:00Z", "--metadata", "k=v=w", "--reference", "r"},
			`POST /v1/messages {"clientReference":"r","media":["m"],"metadata":{"k":"v=w"},"sendAt":"2030-01-31T09:00:00Z","to":"1"}`,
			"nothing was sent again", false,
		},
		"send a template": {
			[]string{"send", "--to", "1", "--media", "m", "--reference", "r", "--template", "--text", "{{n}}", "--data", "n=Ann"},
			`POST /v1/messages {"clientReference":"r","media":["m"],"template":true,"text":"{{n}}","to":"1","variables":{"n":"Ann"}}`,
			`"id": "msg_7"`, false,
		},
		"dry run": {
			[]string{"send", "--to", "1", "--media", "m", "--dry-run", "--quiet-hours", "ignore"},
			`POST /v1/messages?dryRun=true {"media":["m"],"quietHours":"ignore","to":"1"}`, "", false,
		},
		"no time":     {[]string{"send", "--to", "1", "--media", "m", "--send-at", "noon"}, "", "--send-at noon: want a time such as", true},
		"no template": {[]string{"send", "--to", "1", "--media", "m", "--data", "n=Ann"}, "", "--data needs --template", true},
		"no such end": {[]string{"send", "--to", "1", "--media", "m", "--wait", "--until", "read"}, "", "--until read: must be delivered or sent", true},
		"pairs":       {[]string{"send", "--to", "1", "--media", "m", "--metadata", "k"}, "", "want NAME=VALUE", true},
		"no scheme":   {[]string{"status", "msg_1", "--url", "127.0.0.1:3000"}, "", "begins with http:// or https://", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeAPI{}
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			args := append([]string{c.args[0], "--url", server.URL, "--key", testKey}, c.args[1:]...)
			var out bytes.Buffer
			code := Main(args, &out, &out)
			request := ""
			if len(fake.request) > 0 {
				request = fake.request[len(fake.request)-1]
			}
			if (code != exitOK) != c.fails || request != c.request || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, request %q, output %s", code, fake.request, out.String())
			}
		})
	}
}

// TestUnreachableAPIIsNamed: by its address, and the request is not repeated.
func TestUnreachableAPIIsNamed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	var out bytes.Buffer
	code := Main([]string{"status", "order-7", "--url", server.URL, "--key", testKey}, &out, &out)
	if code == exitOK || !strings.Contains(out.String(), "the api at "+server.URL+" cannot be reached (--url or MMS_URL names it)") ||
		strings.Contains(out.String(), "order-7") {
		t.Errorf("exit code %d, output %s", code, out.String())
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}} {
		var out bytes.Buffer
		if code := Main(args, &out, &out); code != exitOK || !strings.HasPrefix(out.String(), "mmsctl ") {
			t.Errorf("exit code %d, output %s", code, out.String())
		}
	}
}

func TestBench(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen[string(body)] = true
		if len(seen)%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	run := func(args ...string) (code int, out string) {
		var output bytes.Buffer
		code = Main(append([]string{"bench", "--url", server.URL}, args...), &output, &output)
		return code, output.String()
	}
	code, out := run("--key", testKey, "-c", "4", "-n", "50")
	if code != exitFailure || len(seen) != 50 {
		t.Errorf("exit code %d, %d different messages", code, len(seen))
	}
	for _, want := range []string{"50 messages over 4 connections in ", "p50 ", "p95 ", "p99 ", "45 × 202 Accepted", "5 × 503 Service Unavailable"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	live := "mms_live_000000000000000000000000"
	if code, out = run("--key", live); code != exitFailure || !strings.Contains(out, "not a test key") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code, out = run("--key", live, "--live", "-n", fmt.Sprint(1)); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
}
