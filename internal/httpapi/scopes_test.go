package httpapi_test

import (
	"net/http"
	"slices"
	"testing"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/message"
)

// TestScopes: a request outside the key's scopes gets 403, on every route and
// before any other check.
func TestScopes(t *testing.T) {
	t.Parallel()
	const sender, reader = "mms_live_SENDSENDSENDSENDSENDSEND", "mms_live_READREADREADREADREADREAD"
	b := setupBatches(t, 0)
	b.keys.mu.Lock()
	b.keys.callers[sender] = httpapi.Caller{Scope: message.Scope{Tenant: "shop"}, KeyID: "key-4", Send: true}
	b.keys.callers[reader] = httpapi.Caller{Scope: message.Scope{Tenant: "shop"}, KeyID: "key-5", Read: true}
	b.keys.mu.Unlock()
	id := string(b.create(t, ""))
	for _, path := range []string{"/v1/messages", "/v1/messages/" + id, "/v1/messages/bad", "/v1/batches", "/v1/suppressions"} {
		b.do(t, get(path).as(sender)).refused(t, http.StatusForbidden, "forbidden")
		if got := b.do(t, head(path).as(sender)); got.status != http.StatusForbidden {
			t.Errorf("HEAD %s: %d", path, got.status)
		}
	}
	for _, path := range []string{
		"/v1/messages", "/send-mms", "/v1/messages/" + id + "/cancel", "/v1/messages/bad/replay", "/v1/batches", "/v1/batches/bad/cancel",
	} {
		b.do(t, post(path, "{").as(reader)).refused(t, http.StatusForbidden, "forbidden")
	}
	b.do(t, request{method: http.MethodDelete, path: "/v1/suppressions/x", key: reader}).refused(t, http.StatusForbidden, "forbidden")
	b.do(t, get("/v1/messages/"+id).as(reader)).ok(t, http.StatusOK)
	b.do(t, post("/v1/messages/"+id+"/cancel", "").as(sender)).ok(t, http.StatusOK)
}

// TestAKeysOwnRate replaces the rate of the service, which may be unlimited.
func TestAKeysOwnRate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		service, key float64
		want         []float64
	}{
		"neither": {0, 0, nil}, "the service's": {5, 0, []float64{5}}, "the key's": {5, 0.5, []float64{0.5}}, "only the key's": {0, 2, []float64{2}},
	} {
		b := setup(t, func(o *httpapi.Options) { o.Rate = c.service })
		b.keys.mu.Lock()
		b.keys.callers[liveKey] = httpapi.Caller{Scope: message.Scope{Tenant: "shop"}, KeyID: "key-1", Send: true, Read: true, Rate: c.key}
		b.keys.mu.Unlock()
		b.do(t, get("/v1/messages")).ok(t, http.StatusOK)
		if !slices.Equal(b.limiter.rates, c.want) {
			t.Errorf("%s: limited to %v, want %v", name, b.limiter.rates, c.want)
		}
	}
}
