package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/redistest"
)

// TestBatchIsPausedAndResumed: a tenant's resume ends its own pause and not an
// operator's, a paused batch goes on accepting rows, and a batch with nothing to
// pause says so.
func TestBatchIsPausedAndResumed(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	store := pause.NewStore(rdb)
	b := setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches, o.Pauses = l, l, store })
	row := `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}` + "\n"
	made := b.do(t, stream(ndjson, "clientReference=b1", row+row)).ok(t, http.StatusAccepted)
	path := "/v1/batches/" + made["id"].(string)
	is := func(got map[string]any, status string) {
		t.Helper()
		if got["status"] != status || got["etaSeconds"] != nil {
			t.Errorf("%v, want %s", got, status)
		}
	}
	show := func() map[string]any { t.Helper(); return b.do(t, get(path)).ok(t, http.StatusOK) }

	is(b.do(t, post(path+"/resume", "")).ok(t, http.StatusOK), "running")
	for range 2 {
		is(b.do(t, post(path+"/pause", "").without("Content-Type")).ok(t, http.StatusOK), "paused")
	}
	is(show(), "paused")
	b.do(t, stream(ndjson, "clientReference=b1", row+row+row)).ok(t, http.StatusOK)
	if got := show(); got["total"] != 3.0 {
		t.Errorf("a paused batch has %v rows", got["total"])
	}
	b.do(t, post(path+"/resume", "").as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, post(path+"/pause?dryRun=true", "")).refused(t, http.StatusBadRequest, "validation_failed")

	operators := pause.Pause{Scope: pause.OfBatch(message.BatchID(made["id"].(string))), Reason: "x", Actor: "ann"}
	if err := store.Put(t.Context(), operators); err != nil {
		t.Fatal(err)
	}
	is(b.do(t, post(path+"/resume", "")).ok(t, http.StatusOK), "paused")
	if list := b.do(t, get("/v1/batches")).ok(t, http.StatusOK)["data"].([]any); list[0].(map[string]any)["status"] != "paused" {
		t.Errorf("%v", list)
	}
	if err := store.Remove(t.Context(), operators.Key()); err != nil {
		t.Fatal(err)
	}
	is(show(), "running")

	b.do(t, post(path+"/cancel", "")).ok(t, http.StatusOK)
	for _, verb := range []string{"/pause", "/resume"} {
		b.do(t, post(path+verb, "")).refused(t, http.StatusConflict, "not_pausable")
	}
	if set, err := store.Read(t.Context()); err != nil || len(set) != 0 {
		t.Errorf("%v, %v", set, err)
	}
}
