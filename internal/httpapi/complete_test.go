package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestListsSayWhenTheyAreCut: a list that does not reach back to the beginning
// says so, unless the filter asks for nothing older.
func TestListsSayWhenTheyAreCut(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	row := `{"to":"+12065551212","mediaUrl":"https://e.com/a"}` + "\n"
	id := b.do(t, stream(ndjson, "clientReference=c", strings.Repeat(row, 999))).ok(t, http.StatusAccepted)["id"]
	complete := func(path string) any { return b.do(t, get(path)).ok(t, http.StatusOK)["complete"] }
	if complete("/v1/messages") != true {
		t.Error("a list of 999 messages is marked incomplete")
	}
	b.do(t, stream(ndjson, "clientReference=d", strings.Repeat(row, 2))).ok(t, http.StatusAccepted)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for path, want := range map[string]bool{
		"/v1/messages": false, "/v1/messages?limit=1": false, "/v1/messages?status=failed": false,
		"/v1/messages?createdAfter=" + later: true, "/v1/messages?createdAfter=2020-01-01T00:00:00Z": false,
		"/v1/messages?status=unknown": true, "/v1/messages?clientReference=none": true, fmt.Sprintf("/v1/messages?batchId=%v", id): true,
		"/v1/batches": true, "/v1/batches?clientReference=c": true, "/v1/batches?clientReference=none": true,
	} {
		if got := complete(path); got != want {
			t.Errorf("%s: complete is %v, want %v", path, got, want)
		}
	}
}

// TestABatchShowsItsRows: the counts of its rows stay with the batch, also when
// it is sent again.
func TestABatchShowsItsRows(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	row := func(more string) string { return `{"to":"+12065551212","mediaUrl":"https://e.com/a"` + more + `}` }
	b.create(t, `"clientReference":"elsewhere","priority":"bulk"`)
	known := strings.Replace(row(`,"clientReference":"elsewhere"`), "https://e.com/a", "https://media.example.com/a.jpg", 1)
	rows := strings.Join([]string{row(""), row(`,"clientReference":"r"`), row(`,"clientReference":"r"`), known, row(`,"odd":1`)}, "\n")
	for _, want := range []string{"2 2 1", "0 4 1"} {
		got := b.do(t, stream(ndjson, "clientReference=c", rows))
		body := got.ok(t, got.status)
		if counts(body) != want {
			t.Errorf("answered %v, want %s", counts(body), want)
		}
		if shown := b.do(t, get(fmt.Sprintf("/v1/batches/%v", body["id"]))).ok(t, http.StatusOK); counts(shown) != "2 2 1" || shown["total"] != 2.0 {
			t.Errorf("shown as %v", shown)
		}
	}
}

func TestABatchThatIsDoneCannotBeCanceled(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	id := b.do(t, post("/v1/batches", `{"messages":[{}]}`)).ok(t, http.StatusAccepted)["id"]
	path := fmt.Sprintf("/v1/batches/%v", id)
	if p := b.do(t, post(path+"/cancel", "")).refused(t, http.StatusConflict, "not_cancelable"); !strings.Contains(p.Detail, "batch") {
		t.Errorf("%s", p.Detail)
	}
	if shown := b.do(t, get(path)).ok(t, http.StatusOK); shown["status"] != "done" {
		t.Errorf("%v", shown)
	}
}
