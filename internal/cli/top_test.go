package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/status"
)

// exampleStatus has something of everything.
func exampleStatus() status.Status {
	why := "account paused (E104)"
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return status.Status{
		Lanes: []status.Lane{{Name: message.Normal, Waiting: 1234, Scheduled: 3, Sending: 4, OldestSeconds: 75, Paused: true}},
		Rate:  status.Rate{PerSecond: 10, Source: "SINCH_RATE", Used: 7.5},
		Pauses: []status.Pause{{
			Scope: "lane:normal", Reason: "complaints\x1b[2J", Actor: "ann", Since: at, Until: &at,
		}},
		Sinch:   status.Sinch{State: status.SinchPaused, Reason: &why, P50Ms: 140, P99Ms: 420, ErrorsPerMinute: 2},
		Workers: []status.Worker{{ID: "w1", Host: "node-7", Version: "v1.2.3", StartedAt: at, Sending: 4, Concurrency: 50}},
		Unknown: 5, AcceptedPerSecond: 3.14, SentPerSecond: 3, FailedLastHour: 6,
		Callbacks: status.Callbacks{Waiting: 7, OldestSeconds: 0.25}, Log: status.Log{Backlog: 8, LagSeconds: 2},
	}
}

// adminListener answers as that of an api with the user ann.
func adminListener(t *testing.T, seen func(n int64)) string {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path != "/console/status.json":
			w.WriteHeader(http.StatusNotFound)
		case user != "ann" || password != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			now := n.Add(1)
			if now == 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
			} else {
				_ = json.NewEncoder(w).Encode(exampleStatus())
			}
			if seen != nil {
				seen(now)
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTopShowsTheStatusOnce(t *testing.T) {
	t.Parallel()
	run := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := Main(append([]string{"top"}, args...), &out, &out)
		return code, out.String()
	}
	url := adminListener(t, nil)
	code, out := run("--admin-url", url, "--user", "ann", "--password", "secret")
	for _, want := range []string{
		"accepted 3.1/s", "pace 7.5 of 10/s, 75% (SINCH_RATE)", "unknown 5", "failed in an hour 6", "Sinch paused", "p99 420 ms",
		"account paused (E104)", "1m15s", "1234", "4 of 50", "node-7", "lane:normal", `complaints\x1b[2J`, "oldest 300ms", "log 8 behind",
	} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d: %q is missing in\n%s", code, want, out)
		}
	}
	var got status.Status
	if code, out = run("--admin-url", adminListener(t, nil), "--user", "ann", "--password", "secret", "--json"); code != exitOK || json.Unmarshal([]byte(out), &got) != nil || got.Unknown != 5 {
		t.Errorf("exit code %d: %s", code, out)
	}
	public := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(public.Close)
	for url, want := range map[string]string{
		url: "set MMS_ADMIN_USER and MMS_ADMIN_PASSWORD", public.URL: "--admin-url names the admin listener of an api", "nowhere": "is not a base URL",
		"http://127.0.0.1:1": "cannot be reached (--admin-url or MMS_ADMIN_URL names it)",
	} {
		if code, out := run("--admin-url", url); code != exitFailure || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d: %s", url, code, out)
		}
	}
}

// TestTopRefreshes: until it is ended; while the status cannot be read the screen
// says why and keeps the last one.
func TestTopRefreshes(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	view := top{user: "ann", password: "secret", interval: time.Millisecond, url: adminListener(t, func(n int64) {
		if n == 4 {
			stop()
		}
	})}
	var out bytes.Buffer
	if err := view.refresh(ctx, &out); err != nil {
		t.Fatal(err)
	}
	screens := strings.Split(strings.TrimSuffix(strings.TrimPrefix(out.String(), screenOpen), screenClose), screenHome)[1:]
	if len(screens) < 3 || strings.Contains(screens[0], "NOT CURRENT") || !strings.Contains(screens[1], "NOT CURRENT: the api cannot read the status now") ||
		!strings.Contains(screens[1], "node-7") || strings.Contains(screens[2], "NOT CURRENT") {
		t.Errorf("%d screens: %q", len(screens), screens)
	}
}
