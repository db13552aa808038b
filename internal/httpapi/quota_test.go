package httpapi_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// TestDailyQuota: beyond it a message is 429 until the next UTC day, a batch in JSON
// is refused whole and the rows of a stream one by one; duplicates do not count.
func TestDailyQuota(t *testing.T) {
	t.Parallel()
	const key = "mms_live_QUOTAQUOTAQUOTAQUOTAQUOTA"
	b := setupBatches(t, 0)
	b.keys.mu.Lock()
	b.keys.callers[key] = httpapi.Caller{
		Scope: message.Scope{Tenant: "shop"}, KeyID: "key-6", Send: true, Read: true, Quota: ledger.Quota{Name: "key-6", Daily: 5},
	}
	b.keys.mu.Unlock()
	item := func(ref string) string {
		return `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg","priority":"bulk","clientReference":"` + ref + `"}`
	}
	b.do(t, post("/v1/messages", item("a")).as(key)).ok(t, http.StatusAccepted)
	b.do(t, post("/v1/messages", item("a")).as(key)).ok(t, http.StatusOK)
	list := func(refs ...string) string {
		text := ""
		for _, ref := range refs {
			text += "," + item(ref)
		}
		return `{"messages":[` + text[1:] + `]}`
	}
	b.do(t, post("/v1/batches", list("a", "b", "c", "d", "e", "f")).as(key)).refused(t, http.StatusTooManyRequests, "quota_exceeded")
	if got := b.do(t, post("/v1/batches", list("a", "b", "c", "d", "e")).as(key)).ok(t, http.StatusAccepted); counts(got) != "4 1 0" {
		t.Errorf("%v", got)
	}
	if got := b.do(t, post("/v1/batches", list("a", "b", "c", "d", "e")).as(key)).ok(t, http.StatusAccepted); counts(got) != "0 5 0" {
		t.Errorf("a batch of duplicates at the quota: %v", got)
	}
	got := b.do(t, post("/v1/messages", item("g")).as(key))
	got.refused(t, http.StatusTooManyRequests, "quota_exceeded")
	midnight := b.now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(b.now)
	if wait, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || time.Duration(wait)*time.Second < midnight || time.Duration(wait)*time.Second > midnight+time.Second {
		t.Errorf("Retry-After %q, want %s", got.header.Get("Retry-After"), midnight)
	}
	streamed := b.do(t, stream(ndjson, "", item("a")+"\n"+item("h")+"\n").as(key)).ok(t, http.StatusAccepted)
	if counts(streamed) != "0 1 1" {
		t.Errorf("%v", streamed)
	}
	rejected := false
	for _, result := range streamed["results"].([]any) {
		one := result.(map[string]any)
		rejected = rejected || one["status"] == "rejected" && code(one) == "quota_exceeded"
	}
	if !rejected {
		t.Errorf("%v", streamed)
	}
	b.do(t, post("/v1/messages", item("g"))).ok(t, http.StatusAccepted) // a key without one
}

// TestUsage: one entry a day, oldest first, of the caller's tenant and kind.
func TestUsage(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	b.do(t, post("/v1/messages", `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg","priority":"bulk","clientReference":"a"}`)).ok(t, http.StatusAccepted)
	b.do(t, post("/v1/messages", `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg","priority":"bulk","clientReference":"a"}`)).ok(t, http.StatusOK)
	b.do(t, stream(ndjson, "", `{"to":"1"}`+"\n"+`{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg","priority":"bulk","clientReference":"a"}`+"\n")).ok(t, http.StatusAccepted)
	today := time.Now().UTC()
	day := func(back int) string { return today.AddDate(0, 0, -back).Format(time.DateOnly) }
	data := b.do(t, get("/v1/usage?from="+day(2)+"&to="+day(-1))).ok(t, http.StatusOK)["data"].([]any)
	if len(data) != 4 {
		t.Fatalf("%v", data)
	}
	sums := map[string]float64{}
	for i, one := range data {
		entry := one.(map[string]any)
		if entry["date"] != day(2-i) {
			t.Errorf("entry %d is of %v", i, entry["date"])
		}
		for name, n := range entry {
			if count, ok := n.(float64); ok {
				sums[name] += count
			}
		}
	}
	if sums["accepted"] != 1 || sums["duplicates"] != 2 || sums["rejected"] != 1 || len(sums) != 10 {
		t.Errorf("%v", sums)
	}
	if data := b.do(t, get("/v1/usage")).ok(t, http.StatusOK)["data"].([]any); len(data) != 30 {
		t.Errorf("%d days", len(data))
	}
	for _, query := range []string{
		"?from=2026-11-31", "?from=yesterday", "?from=" + day(0) + "&to=" + day(1), "?from=" + day(92), "?days=3", "?from=&to=",
	} {
		b.do(t, get("/v1/usage"+query)).refused(t, http.StatusBadRequest, "validation_failed")
	}
}
