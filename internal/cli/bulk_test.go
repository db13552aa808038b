package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// runBulk runs the command on a file against an api.
func runBulk(t *testing.T, name, content string, serve http.HandlerFunc) (out string, waited []time.Duration, err error) {
	t.Helper()
	return runBulkAs(t, bulk{giveUp: time.Minute}, name, content, serve)
}

// runBulkAs does so with settings. Time passes in pauses only. Files that
// earlier runs left are there.
func runBulkAs(t *testing.T, b bulk, name, content string, serve http.HandlerFunc) (out string, waited []time.Duration, err error) {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), name)
	ext := filepath.Ext(file)
	stale := strings.TrimSuffix(file, ext) + ".errors.ndjson"
	if err := errors.Join(os.WriteFile(file, []byte(content), 0o600), os.WriteFile(stale, []byte("stale"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	b.api, b.file, b.out, b.log = api{url: server.URL, key: "mms_live_000000000000000000000000"}, file, &output, &output
	b.now = func() time.Time { return now }
	b.stall = cmp.Or(b.stall, time.Minute)
	b.pauseFunc = func(_ context.Context, d time.Duration) error {
		waited, now = append(waited, d), now.Add(d)
		return nil
	}
	err = b.run(t.Context(), []string{"priority=normal"})
	for _, kept := range []string{".rejected" + ext, ".errors.ndjson"} {
		if text, wrong := os.ReadFile(strings.TrimSuffix(file, ext) + kept); wrong == nil {
			output.WriteString("--\n" + string(text))
		}
	}
	return output.String(), waited, err
}

func TestBulkGoesOnWhereItWasCut(t *testing.T) {
	t.Parallel()
	const content = "to,mediaUrl\n+12065551212,https://example.com/a.jpg\n"
	var calls atomic.Int64
	var references []string
	out, waited, err := runBulk(t, "rows.csv", content, func(w http.ResponseWriter, r *http.Request) {
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
	if err != nil || !strings.Contains(out, "batch bat_1: 1 accepted, 2 accepted before or by an interrupted try, 0 rejected") {
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
		out, _, err := runBulk(t, name, c.file, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"bat_1","accepted":0,"duplicates":1,"rejected":3,"results":[
				{"index":0,"status":"rejected","id":null,"error":[{"field":"to"}]},{"index":1,"status":"duplicate","id":"m","error":null},
				{"index":2,"status":"rejected","id":null,"error":[]}]}`)
		})
		if !errors.Is(err, errReported) || !strings.Contains(out, `{"index":0,"status":"rejected","error":[{"field":"to"}]}`) ||
			!strings.Contains(out, "there are more than these") || strings.Contains(out, `"index":1`) || !strings.Contains(out, c.kept) {
			t.Errorf("%s: %s %v", name, out, err)
		}
	}
}

// taking answers each call with the next of some answers; the last one stays.
func taking(answers ...string) http.HandlerFunc {
	var calls atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer := answers[min(int(calls.Add(1)), len(answers))-1]
		if strings.Contains(answer, `"status":503`) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, answer)
	}
}

const full = `{"id":"bat_1","accepted":1,"duplicates":0,"rejected":2,"results":[
	{"index":0,"status":"rejected","id":null,"error":[{"field":"to","code":"invalid"}]},
	{"index":2,"status":"rejected","id":null,"error":[{"field":"","code":"backpressure"}]}]}`

func TestBulkWaitsForRoom(t *testing.T) {
	t.Parallel()
	const file = "to\n1\n2\n3\n"
	out, waited, err := runBulk(t, "rows.csv", file, taking(full, `{"id":"bat_1","accepted":1,"duplicates":1,"rejected":1,"results":[
		{"index":0,"status":"rejected","id":null,"error":[{"field":"to","code":"invalid"}]}]}`))
	if !errors.Is(err, errReported) || len(waited) != 1 || !strings.Contains(out, "batch bat_1: 2 accepted, 0 accepted before, 1 rejected") ||
		!strings.Contains(out, "1 row or more not accepted; sent again in 10s") || !strings.Contains(out, "--\nto\n1\n--\n") {
		t.Errorf("after %v: %s %v", waited, out, err)
	}
	out, waited, err = runBulk(t, "rows.csv", file, taking(full, strings.ReplaceAll(full, `"accepted":1,"duplicates":0`, `"accepted":0,"duplicates":1`)))
	if err == nil || !strings.Contains(err.Error(), "no room") || len(waited) != 3 || !strings.Contains(out, "1 accepted, 0 accepted before") ||
		!strings.Contains(out, "--\nto\n1\n--\n") {
		t.Errorf("given up after %v: %s %v", waited, out, err)
	}
}

// TestBulkOmitsCanceledRows: rows of a canceled batch are
// not offered to be sent again.
func TestBulkOmitsCanceledRows(t *testing.T) {
	t.Parallel()
	const file, canceled = "to\n1\n2\n3\n", `{"id":"bat_1","accepted":0,"duplicates":1,"rejected":2,"results":[
		{"index":1,"status":"rejected","error":[{"field":"","code":"batch_canceled"}]},
		{"index":2,"status":"rejected","error":[{"field":"to","code":"invalid"}]}]}`
	out, waited, err := runBulk(t, "rows.csv", file, taking(canceled))
	if err == nil || len(waited) > 0 || !strings.Contains(err.Error(), "the batch was canceled and takes no more rows; left out, and in no file: 1 row or more") ||
		!strings.Contains(out, "--\nto\n3\n--\n") || strings.Contains(out, `{"index":1`) || strings.Contains(out, "more than these") {
		t.Errorf("%s %v", out, err)
	}
	out, _, err = runBulk(t, "rows.csv", file, taking(strings.ReplaceAll(canceled, `"code":"invalid"`, `"code":"batch_canceled"`)))
	if err == nil || !strings.Contains(err.Error(), "left out, and in no file: 2 rows or more") || strings.Contains(out, "1,000") || !strings.Contains(out, "--\nstale") {
		t.Errorf("all of them: %s %v", out, err)
	}
}

func TestBulkGivesUp(t *testing.T) {
	t.Parallel()
	_, waited, err := runBulk(t, "rows.csv", "x", taking(`{"status":503,"accepted":0}`))
	if err == nil || !strings.Contains(err.Error(), "503 Service Unavailable; given up (--give-up 1m0s)") || len(waited) != 5 {
		t.Errorf("%v after %v", err, waited)
	}
	if _, waited, err = runBulkAs(t, bulk{}, "rows.csv", "x", taking(`{"status":503}`)); err == nil || len(waited) > 0 {
		t.Errorf("%v after %v", err, waited)
	}
}

func TestBulkLeavesAnAPIThatHangs(t *testing.T) {
	t.Parallel()
	_, _, err := runBulkAs(t, bulk{stall: 50 * time.Millisecond}, "rows.csv", "x", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	if err == nil || !strings.HasPrefix(err.Error(), "the api neither read nor responded for 50ms; given up") {
		t.Error(err)
	}
}

func TestBulkCountsItsOwnTries(t *testing.T) {
	t.Parallel()
	out, _, err := runBulk(t, "rows.csv", "x", taking(`{"status":503,"accepted":500,"duplicates":7,"rejected":0}`,
		`{"id":"bat_1","accepted":10,"duplicates":507,"rejected":0,"results":[]}`))
	if err != nil || !strings.Contains(out, "510 accepted, 7 accepted before or by an interrupted try, 0 rejected") {
		t.Errorf("%s %v", out, err)
	}
}

func TestBulkRemovesWhatAnEarlierRunLeft(t *testing.T) {
	t.Parallel()
	clean := taking(`{"id":"bat_1","accepted":1,"duplicates":0,"rejected":0,"results":[]}`)
	out, _, err := runBulk(t, "rows.csv", "x", clean)
	if err != nil || strings.Contains(out, "stale") || !strings.Contains(out, "rows.errors.ndjson of an earlier run is removed") {
		t.Errorf("%s %v", out, err)
	}
	out, _, err = runBulkAs(t, bulk{dryRun: true}, "rows.csv", "x", clean)
	if err != nil || !strings.Contains(out, "dry run: 1 would be accepted, 0 would be rejected (") || !strings.Contains(out, "--\nstale") {
		t.Errorf("%s %v", out, err)
	}
}

// TestBulkKeepsCorrectedRows: a file that was corrected by hand is neither
// overwritten nor removed, an unchanged one is.
func TestBulkKeepsCorrectedRows(t *testing.T) {
	t.Parallel()
	const one = `{"id":"bat_1","accepted":0,"rejected":1,"results":[{"index":0,"status":"rejected","error":[{"field":"to"}]}]}`
	server := httptest.NewServer(taking(one, one, one, one, `{"id":"bat_1","accepted":1}`))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("to\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(dryRun bool) string {
		var output bytes.Buffer
		b := bulk{
			api: api{url: server.URL, key: "k"}, file: file, dryRun: dryRun, log: &output, out: &output, now: time.Now, stall: time.Minute,
		}
		if err := b.run(t.Context(), nil); err != nil && !errors.Is(err, errReported) {
			t.Fatal(err)
		}
		return output.String()
	}
	correct := func(text string) {
		later := time.Now().Add(time.Hour)
		path := strings.TrimSuffix(file, ".csv") + ".rejected.csv"
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, later, later)); err != nil {
			t.Fatal(err)
		}
	}
	text := func(name string) string {
		kept, _ := os.ReadFile(filepath.Join(filepath.Dir(file), name))
		return string(kept)
	}
	run(false)
	if output := run(false); strings.Contains(output, "kept") || text("rows.rejected.csv") != "to\n1\n" {
		t.Errorf("unchanged file: %s", output)
	}
	correct("first")
	output := run(true)
	correct("second")
	output += run(false)
	if text("rows.rejected.1.csv") != "first" || text("rows.rejected.2.csv") != "second" || text("rows.rejected.csv") != "to\n1\n" {
		t.Errorf("corrected rows were lost: %s", output)
	}
	if !strings.Contains(output, "is kept as "+strings.TrimSuffix(file, ".csv")+".rejected.1.csv") {
		t.Error(output)
	}
	correct("third")
	if output := run(false); text("rows.rejected.csv") != "third" || text("rows.errors.ndjson") != "" || !strings.Contains(output, "rejected.csv is kept") {
		t.Errorf("after a run without rejected rows: %s", output)
	}
}

func TestBulkSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("to\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := bulk{api: api{url: server.URL, key: "k"}, file: file, log: io.Discard, out: io.Discard, now: time.Now, stall: time.Minute}
	err := b.run(ctx, nil)
	const want = "stopped after 5 of 5 bytes\n  to continue: run the same command again; if the file is changed first, " +
		"with --reference file-6f862b9112653d002776f1e1dafc7f6c214fd592\n" +
		"  to cancel the waiting messages: mmsctl cancel file-6f862b9112653d002776f1e1dafc7f6c214fd592"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

// TestBulkRefusesATableWithoutEnd: the api would take the rows before, and the
// corrected file would be another batch.
func TestBulkRefusesATableWithoutEnd(t *testing.T) {
	t.Parallel()
	const rows = "to,text\n1,a\n\n\"2\",\"oops\n3,b\n"
	for _, b := range []bulk{{}, {reference: "named"}, {dryRun: true}} {
		_, _, err := runBulkAs(t, b, "rows.CSV", rows, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
		const want = "nothing was sent: the row that begins in line 4 has a quote that is not closed, or not doubled"
		if err == nil || err.Error() != want {
			t.Error(err)
		}
	}
	for name, content := range map[string]string{"rows.ndjson": rows, "rows.csv": "to,text\n1\"2,a\n"} {
		if _, _, err := runBulk(t, name, content, taking(`{"id":"bat_1","accepted":1}`)); err != nil {
			t.Errorf("%s, in which only rows are wrong: %v", name, err)
		}
	}
}

// TestBulkSaysWhatWasTakenBeforeARefusal: another version of the api may end
// where this command saw nothing wrong.
func TestBulkSaysWhatWasTakenBeforeARefusal(t *testing.T) {
	t.Parallel()
	serve := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"validation_failed","detail":"No end.","id":"bat_1","accepted":1,"duplicates":2,"rejected":0}`)
	}
	_, _, err := runBulkAs(t, bulk{reference: "named"}, "rows.csv", "to\n1\n", serve)
	const want = "the api responded 400 Bad Request (validation_failed): No end.\nrows before: 1 accepted, 2 accepted before, 0 rejected\n" +
		"  to continue: run the same command again; if the file is changed first, with --reference named\n" +
		"  to cancel the waiting messages: mmsctl cancel named"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

// TestBulkSaysWhatEarlierTriesTook: a key that is revoked meanwhile hides nothing.
func TestBulkSaysWhatEarlierTriesTook(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	_, waited, err := runBulkAs(t, bulk{giveUp: time.Minute, reference: "named"}, "rows.csv", "x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if calls.Add(1) > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"id":"bat_1","accepted":1000}`)
	})
	const want = "the api responded 401 Unauthorized\n1000 rows accepted by earlier tries as far as is known\n  to continue: "
	if err == nil || len(waited) != 1 || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "mmsctl cancel named") {
		t.Error(err)
	}
}

// TestBulkTakesDefaultsOfFieldsOnly: a parameter that is no field would change
// what becomes of the whole batch.
func TestBulkTakesDefaultsOfFieldsOnly(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"dryRun=true":       "--default dryRun: a message has no field of this name",
		"clientReference=x": "--default clientReference: every row needs one of its own; --reference names the batch",
		"prioritty=high":    "--default prioritty: a message has no field of this name",
		"priority":          "--default priority: want NAME=VALUE",
		"metadata.k=w":      "--default metadata.k: given more than once",
	} {
		b := bulk{file: filepath.Join(t.TempDir(), "none.csv")}
		if _, err := b.query([]string{"metadata.k=v", "media=a b", given}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", given, err)
		}
	}
}

// TestBulkWaitsForAProxy: what stands before an api that restarts answers for it.
func TestBulkWaitsForAProxy(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadGateway, http.StatusGatewayTimeout} {
		var calls atomic.Int64
		out, waited, err := runBulk(t, "rows.csv", "x", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if calls.Add(1) == 1 {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "<html>the upstream is away</html>")
				return
			}
			_, _ = io.WriteString(w, `{"id":"bat_1","accepted":1}`)
		})
		if err != nil || len(waited) != 1 || !strings.Contains(out, "the api responded "+strconv.Itoa(status)+" ") ||
			!strings.Contains(out, "by an interrupted try") {
			t.Errorf("after %v: %s %v", waited, out, err)
		}
	}
	_, waited, err := runBulk(t, "rows.csv", "x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	if err == nil || len(waited) > 0 {
		t.Errorf("a fault of the api: %v after %v", err, waited)
	}
}

func TestBulkStopsAtARefusal(t *testing.T) {
	t.Parallel()
	_, waited, err := runBulk(t, "rows.csv", "x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"validation_failed","detail":"The request breaks the rules.","errors":[
			{"field":"\ufeffto","message":"there is no such column"},{"field":"to","message":"written more than once"}]}`)
	})
	const want = "the api responded 400 Bad Request (validation_failed): The request breaks the rules.\n" +
		"  \\ufeffto: there is no such column\n  to: written more than once"
	if err == nil || err.Error() != want || len(waited) > 0 {
		t.Errorf("%v after %v", err, waited)
	}
	if _, _, err := runBulk(t, "rows.txt", "x", nil); err == nil {
		t.Error("a file of unknown form was sent")
	}
}
