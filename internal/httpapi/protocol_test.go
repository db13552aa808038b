package httpapi_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.create(t, ""))
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/messages/", "/v1/messages/" + id + "/", "/v1/messages/" + id + "/cancel/", "/v1/messages/" + id + "/x",
		"/v2/messages", "/V1/messages", "/send-mms/", "/health/", "/docs/", "//v1/messages", "/v1//messages", "/webhooks/sinch",
		"/webhooks/sinch/dlr/", "/metrics",
	} {
		for _, key := range []string{"", liveKey} {
			b.do(t, get(path).as(key)).refused(t, http.StatusNotFound, "not_found")
			b.do(t, post(path, `{}`).as(key)).refused(t, http.StatusNotFound, "not_found")
		}
	}
}

func TestWrongMethods(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := []struct {
		path, allow string
		refused     []string
	}{
		{"/v1/messages", "DELETE, GET, HEAD, POST", []string{"PUT", "PATCH", "OPTIONS", "TRACE", "FOO"}},
		{"/v1/messages/x", "DELETE, GET, HEAD", []string{"POST", "PUT", "OPTIONS"}},
		{"/v1/messages/x/cancel", "POST", []string{"GET", "HEAD", "DELETE"}},
		{"/v1/messages/x/replay", "POST", []string{"GET", "HEAD"}},
		{"/send-mms", "POST", []string{"GET", "HEAD", "OPTIONS"}},
		{"/health", "GET, HEAD", []string{"POST"}},
		{"/webhooks/sinch/dlr", "POST", []string{"GET", "HEAD", "PUT"}},
		{"/webhooks/sinch/inbound", "POST", []string{"GET"}},
		{"/docs", "GET, HEAD", []string{"POST"}},
	}
	for _, tt := range tests {
		for _, method := range tt.refused {
			for _, key := range []string{"", liveKey} {
				got := b.do(t, request{method: method, path: tt.path, key: key})
				if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != tt.allow {
					t.Errorf("%s %s: %d, Allow %q, want %q", method, tt.path, got.status, got.header.Get("Allow"), tt.allow)
				}
				if method != http.MethodHead {
					got.refused(t, http.StatusMethodNotAllowed, "method_not_allowed")
				}
			}
		}
	}
}

func TestEveryGetAnswersHead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.create(t, ""))
	for _, path := range []string{
		"/v1/messages", "/v1/messages/" + id, "/health", "/livez", "/readyz", "/openapi.yaml", "/openapi.json", "/docs",
	} {
		full, bare := b.do(t, get(path)), b.do(t, head(path))
		if full.status != http.StatusOK || bare.status != http.StatusOK || len(bare.body) > 0 {
			t.Errorf("%s: GET %d, HEAD %d with %d bytes", path, full.status, bare.status, len(bare.body))
		}
		for _, name := range []string{"Content-Type", "Content-Length"} {
			if full.header.Get(name) != bare.header.Get(name) {
				t.Errorf("%s: %s is %q, and %q for HEAD", path, name, full.header.Get(name), bare.header.Get(name))
			}
		}
	}
	for _, path := range []string{"/v1/messages/x", "/v1/messages?limit=0", "/nowhere"} {
		if full, bare := b.do(t, get(path)), b.do(t, head(path)); full.status != bare.status || len(bare.body) > 0 {
			t.Errorf("%s: GET %d, HEAD %d", path, full.status, bare.status)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := []struct {
		name   string
		header http.Header
		ok     bool
	}{
		{"none", http.Header{}, false},
		{"bearer", http.Header{"Authorization": {"Bearer " + liveKey}}, true},
		{"bearer in lower case", http.Header{"Authorization": {"bearer " + liveKey}}, true},
		{"bearer in upper case", http.Header{"Authorization": {"BEARER " + liveKey}}, true},
		{"two spaces", http.Header{"Authorization": {"Bearer  " + liveKey}}, true},
		{"X-API-Key", http.Header{"X-Api-Key": {liveKey}}, true},
		{"both agree", http.Header{"Authorization": {"Bearer " + liveKey}, "X-Api-Key": {liveKey}}, true},
		{"both disagree", http.Header{"Authorization": {"Bearer " + liveKey}, "X-Api-Key": {otherKey}}, false},
		{"one is wrong", http.Header{"Authorization": {"Bearer " + liveKey}, "X-Api-Key": {"x"}}, false},
		{"one is empty", http.Header{"Authorization": {"Bearer " + liveKey}, "X-Api-Key": {""}}, false},
		{"two lines disagree", http.Header{"Authorization": {"Bearer " + liveKey, "Bearer " + otherKey}}, false},
		{"two keys disagree", http.Header{"X-Api-Key": {liveKey, otherKey}}, false},
		{"basic", http.Header{"Authorization": {"Basic " + liveKey}}, false},
		{"basic beside a key", http.Header{"Authorization": {"Basic abc"}, "X-Api-Key": {liveKey}}, false},
		{"no scheme", http.Header{"Authorization": {liveKey}}, false},
		{"no key", http.Header{"Authorization": {"Bearer"}}, false},
		{"unknown key", http.Header{"X-Api-Key": {"mms_live_CCCCCCCCCCCCCCCCCCCCCCCC"}}, false},
		{"key of wrong case", http.Header{"X-Api-Key": {strings.ToLower(liveKey)}}, false},
		{"key too short", http.Header{"X-Api-Key": {"mms_live_A"}}, false},
		{"key with more behind it", http.Header{"X-Api-Key": {liveKey + " x"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := b.do(t, request{method: http.MethodGet, path: "/v1/messages", header: tt.header})
			if tt.ok {
				got.ok(t, http.StatusOK)
				return
			}
			p := got.refused(t, http.StatusUnauthorized, "unauthorized")
			if got.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
			if strings.Contains(string(got.body), "mms_live") {
				t.Errorf("the key shows: %+v", p)
			}
		})
	}
}

func TestWhyACredentialIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, tt := range []struct {
		name   string
		header http.Header
		detail string
	}{
		{"none", http.Header{}, "A key is needed: Authorization: Bearer KEY, or X-API-Key: KEY."},
		{"empty", http.Header{"X-Api-Key": {""}}, "A key is needed: Authorization: Bearer KEY, or X-API-Key: KEY."},
		{"two", http.Header{"X-Api-Key": {liveKey, otherKey}}, "The request carries keys that disagree; send one."},
		{"unknown", http.Header{"X-Api-Key": {"mms_live_CCCCCCCCCCCCCCCCCCCCCCCC"}}, "The key is not valid."},
	} {
		p := b.do(t, request{method: http.MethodGet, path: "/v1/messages", header: tt.header}).refused(t, http.StatusUnauthorized, "unauthorized")
		if p.Detail != tt.detail {
			t.Errorf("%s: %s", tt.name, p.Detail)
		}
	}
}

func TestKeysThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.keys.mu.Lock()
	b.keys.err = errRedis
	b.keys.mu.Unlock()
	got := b.do(t, get("/v1/messages"))
	got.refused(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestOrderOfRefusals begins with a request that has every fault and removes one
// after the other.
func TestOrderOfRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger.fails(errRedis)
	b.limiter.answer = httpapi.Allowance{Limit: 5, RetryAfter: 300 * time.Millisecond, Reset: time.Second}
	big := `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
	r := request{method: http.MethodPatch, path: "/v1/messages/nonsense/cancel/x", body: big}.with("Content-Type", "text/plain")
	b.do(t, r).refused(t, http.StatusNotFound, "not_found")
	r.path = "/v1/messages/nonsense/cancel"
	b.do(t, r).refused(t, http.StatusMethodNotAllowed, "method_not_allowed")
	r.method = http.MethodPost
	b.do(t, r).refused(t, http.StatusUnauthorized, "unauthorized")
	r.key = liveKey
	b.do(t, r).refused(t, http.StatusNotFound, "not_found")
	r.path = "/v1/messages/" + string(message.NewID(message.RandomIdentity(), b.now)) + "/cancel"
	b.do(t, r).refused(t, http.StatusTooManyRequests, "rate_limited")
	b.limiter.mu.Lock()
	b.limiter.answer.Allowed = true
	b.limiter.mu.Unlock()
	b.do(t, r).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	r.header = http.Header{"Content-Type": {"application/json"}}
	b.do(t, r).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
	r.body = `{"x":`
	b.do(t, r).refused(t, http.StatusBadRequest, "invalid_json")
	r.body = `{"x":1}`
	b.do(t, r).invalid(t)
	r.body = `{}`
	b.do(t, r).refused(t, http.StatusServiceUnavailable, "unavailable")
	b.ledger.fails(nil)
	b.do(t, r).refused(t, http.StatusNotFound, "not_found")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limiter.answer = httpapi.Allowance{Allowed: true, Limit: 5, Remaining: 4, Reset: 200 * time.Millisecond}
	got := b.do(t, get("/v1/messages"))
	got.ok(t, http.StatusOK)
	if got.header.Get("RateLimit-Limit") != "5" || got.header.Get("RateLimit-Remaining") != "4" || got.header.Get("RateLimit-Reset") != "1" {
		t.Errorf("headers %v", got.header)
	}
	b.limiter.mu.Lock()
	b.limiter.answer = httpapi.Allowance{Limit: 5, Reset: time.Second, RetryAfter: 1200 * time.Millisecond}
	b.limiter.mu.Unlock()
	got = b.do(t, get("/v1/messages").as(otherKey))
	got.refused(t, http.StatusTooManyRequests, "rate_limited")
	if got.header.Get("Retry-After") != "2" || got.header.Get("RateLimit-Remaining") != "0" {
		t.Errorf("headers %v", got.header)
	}
	b.do(t, get("/health")).ok(t, http.StatusOK)
	b.limiter.mu.Lock()
	b.limiter.err = errors.New("redis is down")
	keys := slices.Clone(b.limiter.keys)
	b.limiter.mu.Unlock()
	b.do(t, get("/v1/messages")).ok(t, http.StatusOK)
	if len(keys) != 2 || keys[0] == keys[1] {
		t.Errorf("limited by %v, want one key each", keys)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []string{"a", "A-b_c.9", strings.Repeat("x", 64)} {
		for _, r := range []request{get("/health"), get("/nowhere"), post("/v1/messages", `{`), get("/v1/messages").as("")} {
			if got := b.do(t, r.with("X-Request-Id", id)); got.header.Get("X-Request-Id") != id {
				t.Errorf("%s %s: %q, want %q", r.method, r.path, got.header.Get("X-Request-Id"), id)
			}
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", "ü", "a/b", strings.Repeat("x", 65), `<script>`} {
		made := b.do(t, get("/health").with("X-Request-Id", id)).header.Get("X-Request-Id")
		if made == id || made == "" || seen[made] {
			t.Errorf("for %q: %q", id, made)
		}
		seen[made] = true
	}
}

// A caller that uses a phone number as request id gets it back, and the log masks
// it.
func TestRequestIDsInTheLog(t *testing.T) {
	t.Parallel()
	const number = "[number]"
	tests := map[string]string{
		"12065551212":                          number,
		"206-555-1212":                         number,
		"206.555_1212":                         number,
		"sms-12065551212-7":                    "sms-" + number,
		"req_2065551212":                       "req_" + number,
		"to2065551212x":                        "to" + number + "x",
		"00000000-0000-0000-0000-012065551212": number,
		"order-123456":                         "order-123456",
		"7f0c1d52-1234-4567-8901-446655440000": "7f0c1d52-1234-4567-8901-446655440000",
		"4bf92f3577b34da6a3ce929d0e0e4736":     "4bf92f3577b34da6a3ce929d0e0e4736",
	}
	for id, logged := range tests {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for _, path := range []string{"/health", "/v1/messages/msg_1"} {
				if got := b.do(t, get(path).with("X-Request-Id", id)).header.Get("X-Request-Id"); got != id {
					t.Errorf("answered %q", got)
				}
			}
			b.ledger.err = ledger.ErrUnavailable
			failed := b.do(t, post("/v1/messages", messageBody("")).with("X-Request-Id", id))
			if p := failed.refused(t, http.StatusServiceUnavailable, "unavailable"); p.RequestID != id {
				t.Errorf("problem of %q", p.RequestID)
			}
			eventually(t, "three requests", func() bool { return strings.Count(b.log.String(), `"message":"request"`) == 3 })
			if log := b.log.String(); strings.Count(log, `"request_id":"`+logged+`"`) != 4 || logged != id && strings.Contains(log, id) {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for mediaType, ok := range map[string]bool{
		"application/json": true, "Application/JSON": true, "application/json; charset=utf-8": true,
		`application/json;charset="UTF-8"`: true,
		"application/json; charset=latin1": false, "text/json": false, "application/problem+json": false,
		"application/x-www-form-urlencoded": false,
		"text/plain":                        false, "": false, "application/json, text/plain": false, "application/json;": true, "json": false,
		"application/json; charset": false,
	} {
		r := post("/v1/messages", messageBody("")).without("Content-Type")
		if mediaType != "" {
			r = r.with("Content-Type", mediaType)
		}
		if got := b.do(t, r); ok {
			got.ok(t, http.StatusAccepted)
		} else {
			got.refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
		}
	}
	for _, encoding := range []string{"gzip", "identity", "br", ""} {
		b.do(t, post("/v1/messages", messageBody("")).with("Content-Encoding", encoding)).
			refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	b.do(t, post("/v1/messages", messageBody("")).with("Content-Type", "text/plain")).
		refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	b.do(t, post("/v1/messages", "")).refused(t, http.StatusBadRequest, "invalid_json")
	chunked := post("/v1/messages", messageBody(""))
	chunked.chunked = true
	b.do(t, chunked).ok(t, http.StatusAccepted)
	b.do(t, chunked.without("Content-Type")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
}

func TestBodySizes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fill := func(size int) string {
		body := messageBody("")
		return body + strings.Repeat(" ", size-len(body))
	}
	for _, chunked := range []bool{false, true} {
		r := post("/v1/messages", fill(1<<20))
		r.chunked = chunked
		b.do(t, r).ok(t, http.StatusAccepted)
		for _, size := range []int{1<<20 + 1, 3 << 20} {
			r.body = fill(size)
			b.do(t, r).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
			b.do(t, r.without("Content-Type")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
			b.do(t, r.as("")).refused(t, http.StatusUnauthorized, "unauthorized")
		}
		hook := request{method: http.MethodPost, path: "/webhooks/sinch/dlr?token=hook-token", body: fill(1<<20 + 1), chunked: chunked}
		b.do(t, hook).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/health", "/v1/messages", "/nowhere", "/docs"} {
		got := b.do(t, get(path))
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s = %q", path, name, got.header.Get(name))
			}
		}
		if !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: policy %q", path, got.header.Get("Content-Security-Policy"))
		}
	}
}

func TestServiceRoutes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger.fails(errRedis)
	body := b.do(t, get("/health").as("")).ok(t, http.StatusOK)
	if body["status"] != "UP" || body["timestamp"] != "2026-03-01T12:00:00.123Z" {
		t.Errorf("health %v", body)
	}
	if body := b.do(t, get("/livez?x=1").as("")).ok(t, http.StatusOK); body["status"] != "UP" {
		t.Errorf("livez %v", body)
	}
	if body := b.do(t, get("/readyz").as("")).ok(t, http.StatusOK); body["status"] != "UP" {
		t.Errorf("readyz %v", body)
	}
	b = setup(t) // readyz is cached for a second
	b.ready.mu.Lock()
	b.ready.down = true
	b.ready.mu.Unlock()
	b.do(t, get("/readyz").as("")).ok(t, http.StatusServiceUnavailable)
	for path, mediaType := range map[string]string{
		"/docs": "text/html; charset=UTF-8", "/openapi.yaml": "application/yaml", "/openapi.json": "application/json",
	} {
		if got := b.do(t, get(path).as("")); got.status != http.StatusOK || got.header.Get("Content-Type") != mediaType {
			t.Errorf("%s: %d %q", path, got.status, got.header.Get("Content-Type"))
		}
	}
}
