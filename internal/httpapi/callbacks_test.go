package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/redistest"
)

// withCallbacks starts a server whose callbacks are in a Redis.
func withCallbacks(tb testing.TB) *bundle {
	tb.Helper()
	store, err := callback.NewStore(redistest.Shared(tb).Client(tb), time.Now, nil, false)
	if err != nil {
		tb.Fatal(err)
	}
	return setup(tb, func(o *httpapi.Options) {
		o.Callbacks, o.CallbackRules = store, httpapi.NewCallbackRules(false)
	})
}

func TestCallbackIsConfigured(t *testing.T) {
	t.Parallel()
	b := withCallbacks(t)
	b.do(t, get("/v1/callback")).refused(t, http.StatusNotFound, "not_found")
	b.do(t, post("/v1/callback/test", "")).refused(t, http.StatusNotFound, "not_found")
	first := b.do(t, put("/v1/callback", `{"url":"https://app.example.com/hook"}`)).ok(t, http.StatusOK)
	if secret, _ := first["secret"].(string); !strings.HasPrefix(secret, "whsec_") || len(secret) < 30 {
		t.Errorf("secret %q", secret)
	}
	events, _ := first["events"].([]any)
	if len(events) != 11 || slices.Contains(events, any("message.queued")) || first["enabled"] != true || first["secretSetAt"] == nil {
		t.Errorf("%v", first)
	}
	again := b.do(t, put("/v1/callback", `{"url":"https://app.example.com/2","events":["*"],"enabled":false}`)).ok(t, http.StatusOK)
	if _, found := again["secret"]; found || again["enabled"] != false || again["disabledAt"] == nil || again["disabledReason"] != nil {
		t.Errorf("%v", again)
	}
	if other := b.do(t, get("/v1/callback").as(testKey)); other.status != http.StatusNotFound {
		t.Errorf("a test key gets %s", other.body)
	}
	rotated := b.do(t, post("/v1/callback/rotate", "")).ok(t, http.StatusOK)
	if secret, _ := rotated["secret"].(string); secret == first["secret"] || !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("rotated %v", rotated)
	}
	for range 2 {
		if got := b.do(t, remove("/v1/callback")); got.status != http.StatusNoContent {
			t.Errorf("deleted: %d", got.status)
		}
	}
	b.do(t, get("/v1/callback")).refused(t, http.StatusNotFound, "not_found")
}

func TestBadCallbacksAreRefused(t *testing.T) {
	t.Parallel()
	b := withCallbacks(t)
	for body, want := range map[string]string{
		`{}`:                                   "url required",
		`{"url":null}`:                         "url required",
		`{"url":"http://app.example.com/"}`:    "url invalid",
		`{"url":"https://u:p@example.com/"}`:   "url invalid",
		`{"url":1}`:                            "url wrong_type",
		`{"url":"https://e.com/","events":[]}`: "events required",
		`{"url":"https://e.com/","events":["message.sent","test","message.scheduled"]}`: "events[1] invalid events[2] invalid",
		`{"url":"https://e.com/","events":"*","enabled":1,"x":2}`:                       "events wrong_type enabled wrong_type x unknown_field",
	} {
		if got := strings.Join(b.do(t, put("/v1/callback", body)).invalid(t).fields(), " "); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	b.do(t, get("/v1/callback/deliveries?status=lost&messageId=x&cursor=y&z=1")).invalid(t)
}

func TestDeliveriesAreListed(t *testing.T) {
	t.Parallel()
	b := withCallbacks(t)
	b.do(t, put("/v1/callback", `{"url":"https://app.example.com/hook"}`)).ok(t, http.StatusOK)
	for range 3 {
		b.do(t, post("/v1/callback/test", "")).ok(t, http.StatusAccepted)
	}
	var ids []string
	path := "/v1/callback/deliveries?limit=2"
	for path != "" {
		var page struct {
			Data []struct {
				ID, Event, Status string
				Attempts          int
			}
			NextCursor string
		}
		decode(t, b.do(t, get(path)), &page)
		for _, d := range page.Data {
			if d.Event != "test" || d.Status != "pending" || d.Attempts != 0 {
				t.Errorf("%+v", d)
			}
			ids = append(ids, d.ID)
		}
		if path = ""; page.NextCursor != "" {
			path = "/v1/callback/deliveries?limit=2&cursor=" + page.NextCursor
		}
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Errorf("listed %v", ids)
	}
	b.do(t, post("/v1/callback/deliveries/"+ids[0]+"/redeliver", "")).ok(t, http.StatusAccepted)
	b.do(t, post("/v1/callback/deliveries/"+ids[0]+"/redeliver", "").as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, post("/v1/callback/deliveries/none/redeliver", "")).refused(t, http.StatusNotFound, "not_found")
	if got := b.do(t, get("/v1/callback/deliveries?status=failed,delivered")).ok(t, http.StatusOK); len(got["data"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
}
