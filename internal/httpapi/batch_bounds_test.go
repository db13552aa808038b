package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/redistest"
)

// unknownNames is an object with that many unknown names.
func unknownNames(count int) string {
	var out strings.Builder
	for n := range count {
		fmt.Fprintf(&out, `,"x%d":1`, n)
	}
	return `{"to":"+12065551212","mediaUrl":"https://e.com/a"` + out.String() + `}`
}

// listedProblems counts the problems in results, and moreProblems.
func listedProblems(got map[string]any) (listed, more int) {
	for _, one := range got["results"].([]any) {
		row, _ := one.(map[string]any)
		list, _ := row["error"].([]any)
		left, _ := row["moreProblems"].(float64)
		listed, more = listed+len(list), more+int(left)
	}
	return listed, more
}

func TestARowListsAtMostTwentyProblems(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	for name, r := range map[string]request{
		"JSON":   post("/v1/batches", `{"messages":[`+unknownNames(33)+`,`+unknownNames(20)+`]}`),
		"NDJSON": stream(ndjson, "", unknownNames(33)+"\n"+unknownNames(20)+"\n"),
		"dry":    stream(ndjson, "dryRun=true", unknownNames(33)+"\n"+unknownNames(20)+"\n"),
	} {
		got := b.do(t, r)
		body := got.ok(t, got.status)
		second, _ := body["results"].([]any)[1].(map[string]any)
		if listed, more := listedProblems(body); listed != 40 || more != 13 || first(body)["moreProblems"] != 13.0 {
			t.Errorf("%s: %d problems are listed, %d more", name, listed, more)
		}
		if _, cut := second["moreProblems"]; cut || body["moreProblems"] != nil {
			t.Errorf("%s: a list that is whole says that it was cut", name)
		}
	}
}

func TestABatchListsAtMostFiveThousandProblems(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const rows, each = 300, 25
	row := unknownNames(each)
	for name, r := range map[string]request{
		"JSON":   post("/v1/batches", `{"messages":[`+strings.Repeat(row+",", rows-1)+row+`]}`),
		"NDJSON": stream(ndjson, "", strings.Repeat(row+"\n", rows)),
	} {
		body := b.do(t, r).ok(t, http.StatusAccepted)
		listed, more := listedProblems(body)
		if listed != 5000 || listed+more != rows*each || body["moreProblems"] != 1000.0 || len(body["results"].([]any)) != rows {
			t.Errorf("%s: %d problems are listed, %d more, %v for the batch", name, listed, more, body["moreProblems"])
		}
	}
}

func TestAMessageSaysHowManyProblemsItDoesNotList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var body struct {
		Errors       []any
		MoreProblems int
	}
	decode(t, b.do(t, post("/v1/messages", unknownNames(1234))), &body)
	if len(body.Errors) != 1000 || body.MoreProblems != 234 {
		t.Errorf("%d problems and %d more", len(body.Errors), body.MoreProblems)
	}
}

// TestRepeatedNumbers counts rows to one number in any notation.
func TestRepeatedNumbers(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	row := func(to, more string) string { return `{"to":"` + to + `","mediaUrl":"https://e.com/a"` + more + `}` }
	rows := []string{
		row("+12065551212", ""), row("(206) 555-1212", ""), row("+12065551213", `,"clientReference":"r"`),
		row("+12065551213", `,"clientReference":"r"`), row("206.555.1212", ""), row("+12065551212", `,"odd":1`), row("+12065551214", ""),
	}
	for name, r := range map[string]request{
		"JSON":   post("/v1/batches", `{"messages":[`+strings.Join(rows, ",")+`]}`),
		"NDJSON": stream(ndjson, "", strings.Join(rows, "\n")).as(otherKey),
		"dry":    stream(ndjson, "dryRun=true", strings.Join(rows, "\n")),
	} {
		got := b.do(t, r)
		want := 2.0
		if name == "dry" {
			want = 3 // a dry run does not look references up
		}
		if body := got.ok(t, got.status); body["repeatedNumbers"] != want {
			t.Errorf("%s: %v", name, body)
		}
	}
}

// TestTricklingCallersRefuseNoOther: announced bodies that do not arrive leave
// room for a complete one.
func TestTricklingCallersRefuseNoOther(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const callers = 20
	for range callers {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprintf(conn, "POST /v1/batches HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\n"+
			"Content-Length: 16000000\r\n\r\n{\"messages\":[", liveKey)
		if err != nil {
			t.Fatal(err)
		}
	}
	row := `{"to":"+12065551212","mediaUrl":"https://e.com/a","text":"` + strings.Repeat("x", 4900) + `"}`
	got := b.do(t, post("/v1/batches", `{"messages":[`+strings.Repeat(row+",", 1999)+row+`]}`)).ok(t, http.StatusAccepted)
	if counts(got) != "2000 0 0" {
		t.Errorf("%v", counts(got))
	}
}

// TestABodyOfUnknownLength is read up to its limit.
func TestABodyOfUnknownLength(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	row := `{"to":"+12065551212","mediaUrl":"https://e.com/a","text":"` + strings.Repeat("x", 4900) + `"}`
	r := post("/v1/batches", `{"messages":[`+strings.Repeat(row+",", 399)+row+`]}`)
	r.chunked = true
	if got := b.do(t, r).ok(t, http.StatusAccepted); counts(got) != "400 0 0" {
		t.Errorf("%v", counts(got))
	}
	r = post("/v1/messages", `{"text":"`+strings.Repeat("x", 1<<20)+`"}`)
	r.chunked = true
	b.do(t, r).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
}

// hiccups is a record that accepts rows and sometimes drops the response.
type hiccups struct {
	*ledger.Ledger

	failures atomic.Int64 // left
}

func (h *hiccups) AcceptRows(ctx context.Context, b ledger.Batch, rows []ledger.Row) ([]ledger.RowResult, error) {
	results, err := h.Ledger.AcceptRows(ctx, b, rows)
	if h.failures.Add(-1) >= 0 {
		return nil, ledger.ErrUnavailable
	}
	return results, err
}

// TestAChunkIsTriedAgain: rows accepted by a try whose response was lost are
// counted as accepted, once.
func TestAChunkIsTriedAgain(t *testing.T) {
	t.Parallel()
	l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	record := &hiccups{Ledger: l}
	b := setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches = l, record })
	row := func(reference string) string {
		return `{"to":"+12065551212","mediaUrl":"https://e.com/a","clientReference":"` + reference + `"}` + "\n"
	}
	b.create(t, `"clientReference":"known","priority":"bulk"`)
	known := `{"to":"+12065551212","mediaUrl":"https://media.example.com/a.jpg","clientReference":"known"}` + "\n"
	record.failures.Store(2)
	got := b.do(t, stream(ndjson, "", known+row("a")+row("b")+row("a"))).ok(t, http.StatusAccepted)
	if counts(got) != "2 2 0" {
		t.Errorf("known again by their references: %v", counts(got))
	}
	if dispatched := len(b.queue.dispatched()); dispatched != 3 {
		t.Errorf("tasks were made for %d messages", dispatched)
	}
	record.failures.Store(1)
	const bare = `{"to":"+12065551212","mediaUrl":"https://e.com/a"}` + "\n"
	if got := b.do(t, stream(ndjson, "clientReference=c", bare+bare)).ok(t, http.StatusAccepted); counts(got) != "2 0 0" {
		t.Errorf("known again by their places: %v", counts(got))
	}
	record.failures.Store(1)
	b.do(t, stream(ndjson, "", bare)).refused(t, http.StatusServiceUnavailable, "unavailable")
}

// TestReadinessIsNotAskedByEveryCaller: the public listener runs the readiness
// check at most once a second.
func TestReadinessIsNotAskedByEveryCaller(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	b := setup(t, func(o *httpapi.Options) {
		o.Ready = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"UP","down":[],"warnings":[]}`)
		})
	})
	begun := time.Now()
	const callers = 50
	for range callers {
		b.do(t, get("/readyz").as("")).ok(t, http.StatusOK)
	}
	if most := int64(time.Since(begun)/time.Second) + 1; requests.Load() > most {
		t.Errorf("%d requests, want at most %d", requests.Load(), most)
	}
}
