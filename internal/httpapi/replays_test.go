package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/replay"
)

func setupReplays(t *testing.T) (*bundle, *ledger.Ledger) {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches, o.Replays = l, l, replay.NewStore(rdb, l, time.Hour) }), l
}

func TestReplays(t *testing.T) {
	t.Parallel()
	b, l := setupReplays(t)
	id := b.create(t, "")
	if _, err := l.Update(t.Context(), id, (*message.Message).Cancel); err != nil {
		t.Fatal(err)
	}
	b.create(t, "")
	const body = `{"filter":{"status":["canceled"]},"ratePerSecond":5}`
	got := b.do(t, post("/v1/replays?dryRun=true", body)).ok(t, http.StatusOK)
	if got["count"] != 1.0 || got["mayDouble"] != 0.0 || fmt.Sprint(got["sample"]) != fmt.Sprint([]message.ID{id}) {
		t.Errorf("dry run: %v", got)
	}
	answer := b.do(t, post("/v1/replays", body))
	created := answer.ok(t, http.StatusAccepted)
	path := "/v1/replays/" + fmt.Sprint(created["id"])
	if created["status"] != "running" || created["total"] != 1.0 || answer.header.Get("Location") != path {
		t.Errorf("created: %v", created)
	}
	if got := b.do(t, get(path)).ok(t, http.StatusOK); got["replayed"] != 0.0 || got["skipped"] != 0.0 {
		t.Errorf("%v", got)
	}
	b.do(t, get(path).as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, get("/v1/replays/rpl_1")).refused(t, http.StatusNotFound, "not_found")
	b.do(t, post(path+"/cancel", "").as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	for range 2 {
		if got := b.do(t, post(path+"/cancel", "")).ok(t, http.StatusOK); got["status"] != "canceled" {
			t.Errorf("%v", got)
		}
	}
}

func TestReplaysRefuse(t *testing.T) {
	t.Parallel()
	b, _ := setupReplays(t)
	b.do(t, post("/v1/replays", `{"filter":{"status":["unknown"]}}`)).refused(t, http.StatusConflict, "force_required")
	for body, want := range map[string][]string{
		`{}`:                               {"filter.status required"},
		`{"filter":[]}`:                    {"filter wrong_type"},
		`{"filter":{"status":["queued"]}}`: {"filter.status[0] invalid"},
		`{"filter":{"status":"failed"}}`:   {"filter.status wrong_type"},
		`{"filter":{"status":["failed"],"reason":["weather"],"batchId":"b","createdAfter":"soon","more":1},"ratePerSecond":0,"force":"yes"}`: {
			"filter.reason[0] invalid", "filter.batchId invalid", "filter.createdAfter invalid", "filter.more unknown_field",
			"ratePerSecond invalid", "force wrong_type",
		},
		`{"filter":{"status":["failed"]},"ratePerSecond":"5"}`: {"ratePerSecond wrong_type"},
	} {
		got := b.do(t, post("/v1/replays", body)).invalid(t).fields()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
	}
}
