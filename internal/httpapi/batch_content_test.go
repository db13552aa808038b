package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestRowsThatShareMediaAreMarked in the message record, for the worker's media
// cache; rows of test keys are not.
func TestRowsThatShareMediaAreMarked(t *testing.T) {
	t.Parallel()
	l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches, o.FindShared = l, l, true })
	rows := []string{
		`{"to":"+12065551212","text":"a","mediaUrl":"https://example.com/a.jpg","clientReference":"one"}`,
		`{"to":"+12065551213","text":"a","media":["https://example.com/a.jpg"],"subject":"s","clientReference":"two"}`,
		`{"to":"+12065551214","text":"b","mediaUrl":"https://example.com/a.jpg","clientReference":"other"}`,
	}
	for name, batch := range map[string]request{
		"json":   post("/v1/batches", `{"messages":[`+strings.Join(rows, ",")+`]}`),
		"ndjson": stream(ndjson, "", strings.ReplaceAll(strings.Join(rows, "\n"), `"clientReference":"`, `"clientReference":"n-`)),
		"test":   post("/v1/batches", `{"messages":[`+strings.Join(rows, ",")+`]}`).as(testKey),
	} {
		b.do(t, batch).ok(t, http.StatusAccepted)
		prefix, live := "", name != "test"
		if name == "ndjson" {
			prefix = "n-"
		}
		for reference, equal := range map[string]bool{"one": true, "two": true, "other": false} {
			m, err := l.ByReference(t.Context(), message.Scope{Tenant: "shop", Test: !live}, prefix+reference)
			if err != nil {
				t.Fatalf("%s %s: %v", name, reference, err)
			}
			if m.Shared != (equal && live) {
				t.Errorf("%s %s: %t", name, reference, m.Shared)
			}
		}
	}
}
