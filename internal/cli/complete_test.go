package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The values of flags that have a few are completed.
func TestFlagValuesComplete(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"send --priority":           {"high", "normal", "bulk"},
		"bench --priority":          {"high", "normal", "bulk"},
		"pause --lane":              {"high", "normal", "bulk"},
		"send --until":              {"delivered", "sent"},
		"send --quiet-hours":        {"respect", "ignore"},
		"replay --status":           {"failed", "expired", "undelivered", "canceled", "unknown"},
		"replay --reason":           {"account", "carrier"},
		"cancel --status":           {"queued", "scheduled"},
		"suppress --status":         {"failed", "undelivered", "queued"},
		"load verify":               {"ndjson"},
		"doctor --process":          {"all", "api", "worker"},
		"keys create demo --scopes": {"send,read", "send", "read"},
		"simulator --log-level":     {"debug", "info", "warn", "error"},
		"bulk":                      {"csv", "ndjson", "jsonl"},
		"bulk x.csv --default":      {"to=", "text=", "priority="},
	} {
		var out bytes.Buffer
		root := newRoot(&out, io.Discard)
		root.SetArgs(append(append([]string{"__complete"}, strings.Fields(line)...), ""))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		offered := strings.Split(out.String(), "\n")
		for _, value := range want {
			if !slices.Contains(offered, value) {
				t.Errorf("%s: no %s in %q", line, value, offered)
			}
		}
	}
}

// What the api says of a field is said of the flag that it came from, and of a
// column under its own name.
func TestErrorsNameTheFlags(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"validation_failed","errors":[{"field":"sendAt","message":"wrong time"},
			{"field":"media[0]","message":"wrong media"},{"field":"clientReference","message":"wrong reference"},
			{"field":"priority","message":"wrong lane"},{"field":"too","message":"there is no such column"}]}`)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("to,too\n+12065550111,x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string][]string{
		"send --to 1 --media x": {"--send-at: wrong time", "--media: wrong media", "--reference: wrong reference", "--priority: wrong lane", "too: there"},
		"bulk " + file + " --default priority=never": {
			"sendAt: wrong time", "--reference: wrong reference", "--default priority: wrong lane", "too: there is no such column",
		},
	} {
		root := newRoot(io.Discard, io.Discard)
		root.SetArgs(append(strings.Fields(line), "--url", server.URL, "--key", testKey))
		err := root.ExecuteContext(t.Context())
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), "\n  "+text) {
				t.Errorf("%s: no %q in %v", line, text, err)
			}
		}
	}
}
