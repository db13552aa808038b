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
	ext := filepath.Ext(file)
	for _, kept := range []string{".rejected" + ext, ".errors.ndjson"} {
		if text, wrong := os.ReadFile(strings.TrimSuffix(file, ext) + kept); wrong == nil {
			said.WriteString("--\n" + string(text))
		}
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

func TestBulkKeepsRejectedRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, kept string }{
		"rows.ndjson": {"{\"to\":1}\n\n{\"to\":2}\n{\"to\":3}", "--\n{\"to\":1}\n{\"to\":3}\n"},
		"rows.csv":    {"to,text\n1,\"a\nb\"\n\n2,c\n3,\"d\"\"\"", "--\nto,text\n1,\"a\nb\"\n3,\"d\"\"\"\n"},
		"bad.csv":     {"to,text\n1,a\"b\n2,c\r\n3,d\r\n", "--\nto,text\n1,a\"b\n3,d\r\n"},
	} {
		out, _, err := handOver(t, name, c.file, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"bat_1","accepted":0,"duplicates":1,"rejected":3,"results":[
				{"index":0,"status":"rejected","id":null,"error":[{"field":"to"}]},{"index":1,"status":"duplicate","id":"m","error":null},
				{"index":2,"status":"rejected","id":null,"error":[]}]}`)
		})
		if !errors.Is(err, errSaid) || !strings.Contains(out, `{"index":0,"status":"rejected","error":[{"field":"to"}]}`) ||
			!strings.Contains(out, "there are more than these") || strings.Contains(out, `"index":1`) || !strings.Contains(out, c.kept) {
			t.Errorf("%s: %s %v", name, out, err)
		}
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
