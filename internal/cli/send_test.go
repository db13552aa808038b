package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// stagedAPI accepts one message, and shows its next state at each lookup.
func stagedAPI(t *testing.T, states ...string) string {
	t.Helper()
	var lookups atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		if r.Method == http.MethodGet {
			n = min(len(states)-1, int(lookups.Add(1))-1)
		} else {
			w.WriteHeader(http.StatusAccepted)
		}
		entries := make([]string, 0, n+1)
		for i, state := range states[:n+1] {
			entries = append(entries, fmt.Sprintf(`{"at":"2026-03-01T12:00:0%dZ","status":%q,"detail":"detail %d","attempt":1}`, i, state, i))
		}
		fmt.Fprintf(w, `{"id":"msg_7","status":%q,"updatedAt":"2026-03-01T12:00:0%dZ","timeline":[%s]}`, states[n], n, strings.Join(entries, ","))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestSendWaits: the exit code is how the message ended, and each entry of the
// timeline is shown once.
func TestSendWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		states []string
		args   []string
		code   int
	}{
		"delivered":       {[]string{"queued", "sent", "delivered"}, nil, exitOK},
		"sent":            {[]string{"queued", "sent"}, []string{"--until", "sent"}, exitOK},
		"delivered first": {[]string{"delivered"}, []string{"--until", "sent"}, exitOK},
		"failed":          {[]string{"queued", "failed"}, nil, exitNotDelivered},
		"undelivered":     {[]string{"queued", "undelivered"}, []string{"--until", "sent"}, exitNotDelivered},
		"unknown":         {[]string{"queued", "unknown"}, nil, exitUnknown},
		"still queued":    {[]string{"queued"}, []string{"--timeout", "1ms"}, exitPending},
		"no receipt":      {[]string{"queued", "sent"}, []string{"--timeout", "300ms"}, exitPending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, rest bytes.Buffer
			args := append([]string{"send", "--url", stagedAPI(t, c.states...), "--key", testKey, "--to", "1", "--media", "m", "--wait"}, c.args...)
			code := Main(args, &out, &rest)
			// The time of the last case may be over before the first lookup.
			shown := strings.Count(out.String(), "detail ")
			if code != c.code || shown > len(c.states) || code != exitPending && shown < len(c.states) {
				t.Errorf("exit code %d: %s%s", code, out.String(), rest.String())
			}
		})
	}
}

// TestSendWaitsForPrograms: stdout is the message, the timeline is on stderr.
func TestSendWaitsForPrograms(t *testing.T) {
	t.Parallel()
	var out, rest bytes.Buffer
	code := Main([]string{
		"send", "--url", stagedAPI(t, "queued", "expired"), "--key", testKey, "--to", "1", "--media", "m", "--wait", "--json",
	}, &out, &rest)
	var message struct{ Status string }
	if err := json.Unmarshal(out.Bytes(), &message); err != nil || code != exitNotDelivered || message.Status != "expired" ||
		!strings.Contains(rest.String(), "detail 1 (attempt 1)") {
		t.Errorf("exit code %d, %v: %s%s", code, err, out.String(), rest.String())
	}
}

// TestSendNamesFlags: a refusal names the flags for the fields of the api, and says
// when to try again.
func TestSendNamesFlags(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = fmt.Fprint(w, `{"code":"validation_failed","detail":"Wrong.","errors":[
			{"field":"variables.code","message":"is missing"},{"field":"media[1]","message":"is long"},{"field":"sendAt","message":"is late"}]}`)
	}))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	code := Main([]string{"send", "--url", server.URL, "--key", testKey, "--to", "1", "--media", "m"}, &out, &out)
	for _, want := range []string{"--data code: is missing", "--media: is long", "--send-at: is late", "it asks to try again in 1h0m0s"} {
		if code != exitFailure || !strings.Contains(out.String(), want) {
			t.Errorf("exit code %d: %q is missing in %s", code, want, out.String())
		}
	}
}
