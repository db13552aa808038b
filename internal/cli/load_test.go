package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// loadedAPI accepts messages, and shows each with the state that its number in the
// run has.
type loadedAPI struct {
	mu     sync.Mutex
	seen   []string          // references
	states map[string]string // by the end of the reference
}

// ServeHTTP implements http.Handler.
func (l *loadedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var request struct {
		Reference string `json:"clientReference"`
	}
	_ = json.Unmarshal(body, &request)
	switch {
	case r.URL.Path == "/sim/accepted":
		l.accepted(w, r)
	case r.Method == http.MethodPost && strings.HasSuffix(request.Reference, "-7"):
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodPost:
		l.mu.Lock()
		l.seen = append(l.seen, request.Reference)
		l.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"id":"msg_%s"}`, request.Reference)
	case r.URL.Query().Has("clientReference"):
		_, _ = io.WriteString(w, `{"data":[],"nextCursor":null}`)
	default:
		l.message(w, strings.TrimPrefix(r.URL.Path, "/v1/messages/"))
	}
}

// message shows a message that was accepted at 0 s, sent after 1 s and final after 3 s.
func (l *loadedAPI) message(w http.ResponseWriter, id string) {
	state := l.states[id[strings.LastIndexByte(id, '-')+1:]]
	switch state {
	case "missing":
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"code":"not_found"}`)
	case "", "doubled":
		state = "delivered"
		fallthrough
	default:
		fmt.Fprintf(w, `{"id":%q,"status":%q,"attempts":1,"createdAt":"2026-03-01T12:00:00Z","sentAt":"2026-03-01T12:00:01Z","finalAt":"2026-03-01T12:00:03Z"}`, id, state)
	}
}

// accepted is the record of the simulator: two pages, one with a message of another
// run.
func (l *loadedAPI) accepted(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("after") == "" {
		_, _ = io.WriteString(w, `{"counts":[{"key":"msg_other","calls":2}],"next":"p2"}`)
		return
	}
	doubled := []string{}
	for end, state := range l.states {
		if state == "doubled" {
			for _, reference := range l.seen {
				if strings.HasSuffix(reference, "-"+end) {
					doubled = append(doubled, fmt.Sprintf(`{"key":"msg_%s","calls":2}`, reference))
				}
			}
		}
	}
	fmt.Fprintf(w, `{"counts":[%s],"next":""}`, strings.Join(doubled, ","))
}

func TestLoad(t *testing.T) {
	t.Parallel()
	fake := &loadedAPI{states: map[string]string{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "run.ndjson")
	run := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := Main(append([]string{"load", args[0], "--url", server.URL, "--key", testKey}, args[1:]...), &out, &out)
		return code, out.String()
	}
	code, out := run("push", file, "-n", "20", "--rate", "1000", "-c", "3", "--json")
	var first pushed
	if err := json.Unmarshal([]byte(out), &first); err != nil || code != exitFailure || first.Messages != 20 || first.Accepted != 19 ||
		first.Errors["403"] != 1 || first.Seconds < 0.019 || first.Response.P99 <= 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	slices.Sort(fake.seen)
	if len(slices.Compact(fake.seen)) != 19 {
		t.Errorf("the references are %q", fake.seen)
	}
	if code, out = run("push", file); code != exitFailure || !strings.Contains(out, "exists: name another file") {
		t.Errorf("exit code %d: %s", code, out)
	}
	code, out = run("verify", file, "--simulator", server.URL, "--json")
	var second verified
	if err := json.Unmarshal([]byte(out), &second); err != nil || code != exitOK || second.Messages != 20 || second.Arrived != 19 || second.Refused != 1 ||
		second.Sent.P50 != 1 || second.Delivered.P99 != 3 || second.Doubled == nil || len(second.Doubled) != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	fake.states = map[string]string{"1": "missing", "2": "failed", "3": "queued", "4": "doubled", "5": "sent"}
	code, out = run("verify", file, "--simulator", server.URL, "--until", "sent", "--timeout", "1ms")
	for _, want := range []string{
		"20 messages: 16 arrived, 1 pending, 1 missing, 1 refused", "1 × failed", "1 doubled", "missing: load-", "doubled: msg_load-", "accepted to sent      p50 1s",
	} {
		if code != exitFailure || !strings.Contains(out, want) {
			t.Errorf("exit code %d: %q is missing in\n%s", code, want, out)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	empty, other := filepath.Join(folder, "empty"), filepath.Join(folder, "other")
	for name, text := range map[string]string{empty: "", other: "{}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, args := range map[string][]string{
		"not a test key":              {"push", "x", "--key", "mms_live_1"},
		"--rate is above 0":           {"push", "x", "--rate", "0"},
		"has no messages":             {"verify", empty},
		"is no file of mmsctl load":   {"verify", other},
		"read the messages of load":   {"verify", filepath.Join(folder, "none")},
		"must be delivered or sent":   {"verify", empty, "--until", "read"},
		"--connections is at least 1": {"verify", empty, "-c", "0"},
	} {
		var out bytes.Buffer
		code := Main(append([]string{"load", args[0], "--key", testKey}, args[1:]...), &out, &out)
		if code != exitFailure || !strings.Contains(out.String(), want) {
			t.Errorf("%v: exit code %d: %s", args, code, out.String())
		}
	}
}
