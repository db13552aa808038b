package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// handOver runs the command on a file against an api.
func handOver(t *testing.T, name, content string, serve http.HandlerFunc) (out string, waited []time.Duration, err error) {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	b := bulk{
		api: api{url: server.URL, key: "mms_live_000000000000000000000000"}, file: file, out: &said, log: io.Discard,
		pauseFunc: func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil },
	}
	err = b.run(t.Context(), []string{"priority=normal"})
	if rejected, wrong := os.ReadFile(file + ".rejected"); wrong == nil {
		said.Write(rejected)
	}
	return said.String(), waited, err
}

func TestBulkGoesOnWhereItWasCut(t *testing.T) {
	t.Parallel()
	const content = "to,mediaUrl\n+12065551212,https://example.com/a.jpg\n"
	var calls atomic.Int64
	var references []string
	out, waited, err := handOver(t, "rows.csv", content, func(w http.ResponseWriter, r *http.Request) {
		references = append(references, r.URL.Query().Get("clientReference"))
		body, _ := io.ReadAll(r.Body)
		if string(body) != content || r.Header.Get("Content-Type") != "text/csv" || r.URL.Query().Get("priority") != "normal" {
			t.Errorf("got %q as %s", body, r.Header.Get("Content-Type"))
		}
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"id":"bat_1","accepted":1,"duplicates":2,"rejected":0,"results":[]}`)
	})
	if err != nil || !strings.Contains(out, "batch bat_1: 1 accepted, 2 accepted before, 0 rejected") {
		t.Errorf("%s %v", out, err)
	}
	if len(waited) != 1 || waited[0] != 7*time.Second {
		t.Errorf("waited %v", waited)
	}
	if len(references) != 2 || references[0] != references[1] || len(references[0]) > 64 || !strings.HasPrefix(references[0], "file-") {
		t.Errorf("references %v", references)
	}
}

func TestBulkListsRejectedRows(t *testing.T) {
	t.Parallel()
	out, _, err := handOver(t, "rows.ndjson", "{}\n", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"bat_1","accepted":0,"duplicates":1,"rejected":2,"results":[
			{"index":0,"status":"rejected","id":null,"error":[{"field":"to"}]},{"index":1,"status":"duplicate","id":"m","error":null}]}`)
	})
	if !errors.Is(err, errSaid) || !strings.Contains(out, `{"index":0,"status":"rejected","error":[{"field":"to"}]}`) ||
		!strings.Contains(out, "there are more than these") || strings.Contains(out, `"index":1`) {
		t.Errorf("%s %v", out, err)
	}
}

func TestBulkStopsAtARefusal(t *testing.T) {
	t.Parallel()
	_, waited, err := handOver(t, "rows.csv", "x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"detail":"The request breaks the rules."}`)
	})
	if err == nil || !strings.Contains(err.Error(), "breaks the rules") || len(waited) > 0 {
		t.Errorf("%v after %v", err, waited)
	}
	if _, _, err := handOver(t, "rows.txt", "x", nil); err == nil {
		t.Error("a file of unknown form was sent")
	}
}
