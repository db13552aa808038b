package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/suppression"
	"mmsdispatch/internal/telemetry"
)

// setupOptOuts is setup on a real ledger and real opt-outs.
func setupOptOuts(t *testing.T, configure ...func(*httpapi.Options)) *bundle {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	store, err := suppression.NewStore(suppression.Options{Redis: rdb, Metrics: telemetry.NewMetrics(telemetry.Build{}).OptOuts})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, OptOutKey: store.Key})
	if err != nil {
		t.Fatal(err)
	}
	parts := func(o *httpapi.Options) { o.Ledger, o.Batches, o.OptOuts, o.Webhook.Insecure = l, l, store, true }
	return setup(t, append([]func(*httpapi.Options){parts}, configure...)...)
}

const optedOut = "/v1/suppressions/%2B12065551212"

func put(path, body string) request {
	r := post(path, body)
	r.method = http.MethodPut
	return r
}

func remove(path string) request { return request{method: http.MethodDelete, path: path, key: liveKey} }

func TestOptOutByNumber(t *testing.T) {
	t.Parallel()
	b := setupOptOuts(t)
	b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
	answer := b.do(t, put(optedOut, `{"reason":"asked by phone"}`))
	made := answer.ok(t, http.StatusCreated)
	created, _ := made["createdAt"].(string)
	if want := fmt.Sprint(map[string]any{
		"number": "+12065551212", "sender": nil, "reason": "asked by phone", "source": "api", "createdAt": created,
	}); fmt.Sprint(made) != want {
		t.Errorf("%v, want %v", made, want)
	}
	if at := answer.header.Get("Location"); at != "/v1/suppressions/+12065551212" {
		t.Errorf("Location %s", at)
	}
	for _, path := range []string{
		optedOut, "/v1/suppressions/+12065551212", "/v1/suppressions/12065551212", "/v1/suppressions/206-555-1212",
		"/v1/suppressions/(206)%20555%2E1212", "/v1/suppressions/206%2F555%2F1212", optedOut + "?sender=28444",
		optedOut + "?sender=%2B12065550100", optedOut + "?sender=+12065550100",
	} {
		if got := b.do(t, get(path)).ok(t, http.StatusOK); fmt.Sprint(got) != fmt.Sprint(made) {
			t.Errorf("%s: %v", path, got)
		}
		if got := b.do(t, head(path)); got.status != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, got.status)
		}
	}
	if again := b.do(t, put(optedOut, "")).ok(t, http.StatusOK); again["reason"] != nil || again["createdAt"] != created {
		t.Errorf("again: %v", again)
	}
	for _, other := range []string{otherKey, testKey} {
		b.do(t, get(optedOut).as(other)).refused(t, http.StatusNotFound, "not_found")
		b.do(t, remove(optedOut).as(other)).none(t)
	}
	b.do(t, get(optedOut)).ok(t, http.StatusOK)
	b.do(t, remove(optedOut)).none(t)
	b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, remove(optedOut)).none(t)
	b.do(t, put(optedOut, "{}")).ok(t, http.StatusCreated)
}

// none checks that an answer is 204.
func (got answer) none(tb testing.TB) {
	tb.Helper()
	if got.status != http.StatusNoContent || len(got.body) > 0 {
		tb.Fatalf("%d %q, want 204 and nothing", got.status, got.body)
	}
}

func TestOptOutOfOneSender(t *testing.T) {
	t.Parallel()
	b := setupOptOuts(t)
	if made := b.do(t, put(optedOut, `{"sender":"12065550100"}`)).ok(t, http.StatusCreated); made["sender"] != "+12065550100" {
		t.Errorf("%v", made)
	}
	b.do(t, put(optedOut, `{"sender":"+12065550100"}`)).ok(t, http.StatusOK)
	b.do(t, get(optedOut)).ok(t, http.StatusOK)
	b.do(t, get(optedOut+"?sender=12065550100")).ok(t, http.StatusOK)
	b.do(t, get(optedOut+"?sender=28444")).refused(t, http.StatusNotFound, "not_found")
	b.do(t, remove(optedOut+"?sender=28444")).none(t)
	b.do(t, get(optedOut)).ok(t, http.StatusOK)

	status := func(more string) any {
		return b.do(t, post("/v1/messages", messageBody(more))).ok(t, http.StatusAccepted)["status"]
	}
	if got := []any{status(""), status(`"from":"28444"`)}; got[0] != "failed" || got[1] != "queued" {
		t.Errorf("messages are %v, want failed and queued", got)
	}
	b.do(t, remove(optedOut+"?sender=%2B12065550100")).none(t)
	b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
}

func TestOptOutRefusals(t *testing.T) {
	t.Parallel()
	b := setupOptOuts(t)
	for _, path := range []string{
		"/v1/suppressions/x", "/v1/suppressions/%2B1", "/v1/suppressions/555-CALL", "/v1/suppressions/%2B120655512123456", "/v1/suppressions/%252B12065551212",
		"/v1/suppressions/" + url.PathEscape("+12065551212 x1"), "/v1/suppressions/%00",
	} {
		for _, r := range []request{get(path), put(path, `{"x":1}`).without("Content-Type"), remove(path)} {
			b.do(t, r).refused(t, http.StatusNotFound, "not_found")
		}
		b.do(t, get(path).as("")).refused(t, http.StatusUnauthorized, "unauthorized")
	}
	for body, want := range map[string]string{
		`{"sender":"+12065550199"}`: "sender invalid", `{"sender":1}`: "sender wrong_type", `{"reason":""}`: "reason invalid",
		`{"reason":"` + strings.Repeat("x", 201) + `"}`: "reason too_long", `{"number":"+12065551212"}`: "number unknown_field",
		`{"Reason":"x"}`: "Reason unknown_field", `{"reason":"a","reason":"b"}`: "reason duplicate_field",
	} {
		if p := b.do(t, put(optedOut, body)).invalid(t); !slices.Contains(p.fields(), want) {
			t.Errorf("%s: %v, want %s", body, p.fields(), want)
		}
	}
	if p := b.do(t, put(optedOut+"?x=1", `{"sender":"1","y":1}`)).invalid(t); len(p.Errors) != 3 {
		t.Errorf("%v, want all three", p.fields())
	}
	for _, body := range []string{`[]`, `{`, `"x"`} {
		b.do(t, put(optedOut, body)).refused(t, http.StatusBadRequest, "invalid_json")
	}
	b.do(t, put(optedOut, `{}`).without("Content-Type")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	b.do(t, put(optedOut, strings.Repeat(" ", 1<<20)+"{}")).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
	for _, query := range []string{"?sender=", "?sender=x", "?sender=%2B1-2", "?sender=1234567890123456", "?x=1", "?sender=1&sender=1"} {
		b.do(t, get(optedOut+query)).invalid(t)
		b.do(t, remove(optedOut+query)).invalid(t)
	}
	if got := b.do(t, post(optedOut, "")); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "DELETE, GET, HEAD, PUT" {
		t.Errorf("POST: %d, Allow %s", got.status, got.header.Get("Allow"))
	}
	b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
}

func TestOptOutList(t *testing.T) {
	t.Parallel()
	b := setupOptOuts(t)
	if got := b.do(t, get("/v1/suppressions")); string(got.body) != `{"data":[],"nextCursor":null,"complete":true}` {
		t.Errorf("empty list: %s", got.body)
	}
	want := make([]string, 0, 7)
	for i := range 7 {
		number := fmt.Sprintf("+1206555121%d", i)
		b.do(t, put("/v1/suppressions/"+number, "")).ok(t, http.StatusCreated)
		want = append(want, number)
	}
	b.do(t, put("/v1/suppressions/+12065559999", "").as(testKey)).ok(t, http.StatusCreated)
	var seen []string
	query, pages := "?limit=3", 0
	for {
		body := b.do(t, get("/v1/suppressions"+query)).ok(t, http.StatusOK)
		for _, one := range body["data"].([]any) {
			seen = append(seen, one.(map[string]any)["number"].(string))
		}
		pages++
		next, _ := body["nextCursor"].(string)
		if next == "" {
			break
		}
		query = "?limit=3&cursor=" + next
	}
	slices.Sort(seen)
	if !slices.Equal(seen, want) || pages != 3 {
		t.Errorf("%v on %d pages, want %v", seen, pages, want)
	}
	cursor := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, query := range []string{
		"limit=0", "limit=201", "x=1", "cursor=", "cursor=x", "cursor=" + cursor("opt-outs 1"), "cursor=" + cursor("opt-outs x +1 "),
		"cursor=" + cursor("opt-outs 1 2 3"), "cursor=" + cursor("places 1"), "cursor=" + cursor("opt-outs 0 +1 "), "sender=1",
	} {
		b.do(t, get("/v1/suppressions?"+query)).invalid(t)
	}
}

func TestMessageToAnOptedOutNumber(t *testing.T) {
	t.Parallel()
	b := setupOptOuts(t)
	b.do(t, put(optedOut, "")).ok(t, http.StatusCreated)
	for name, more := range map[string]string{"now": "", "later": `"sendAt":"2026-03-02T12:00:00Z"`, "bulk": `"priority":"bulk"`} {
		m := b.do(t, post("/v1/messages", messageBody(more))).ok(t, http.StatusAccepted)
		reason, _ := m["reason"].(map[string]any)
		if m["status"] != "failed" || reason["code"] != "suppressed" || reason["sinchCode"] != nil || m["attempts"] != float64(0) {
			t.Errorf("%s: %v, reason %v", name, m["status"], reason)
		}
	}
	guide := b.do(t, post("/send-mms", messageBody(""))).ok(t, http.StatusAccepted)
	if guide["status"] != "failed" {
		t.Errorf("/send-mms: %v", guide["status"])
	}
	body := messageBody(`"clientReference":"order-1"`)
	first := b.do(t, post("/v1/messages", body)).ok(t, http.StatusAccepted)
	again := b.do(t, post("/v1/messages", body)).ok(t, http.StatusOK)
	if again["id"] != first["id"] || again["status"] != "failed" {
		t.Errorf("repeated: %v", again)
	}
	if ids := b.queue.dispatched(); len(ids) != 0 {
		t.Errorf("%d tasks were made", len(ids))
	}
	for _, other := range []string{otherKey, testKey} {
		if m := b.do(t, post("/v1/messages", messageBody("")).as(other)).ok(t, http.StatusAccepted); m["status"] != "queued" {
			t.Errorf("another's: %v", m["status"])
		}
	}
	if replayed := b.do(t, post("/v1/messages/"+fmt.Sprint(first["id"])+"/replay", "")).ok(t, http.StatusAccepted); replayed["status"] != "queued" {
		t.Errorf("replay: %v; the worker looks again", replayed["status"])
	}
}

func TestRowsToAnOptedOutNumber(t *testing.T) {
	t.Parallel()
	b := setupOptOuts(t)
	b.do(t, put(optedOut, "")).ok(t, http.StatusCreated)
	var rows strings.Builder
	for i := range 60 {
		fmt.Fprintf(&rows, `{"to":"+1206555%04d"}`+"\n", 1190+i)
	}
	got := b.do(t, stream(ndjson, "mediaUrl=https://e.com/a", rows.String()+`{"to":"+12065551212"}`)).ok(t, http.StatusAccepted)
	if counts(got) != "61 0 0" {
		t.Fatalf("%v", got)
	}
	shown := b.do(t, get("/v1/batches/"+fmt.Sprint(got["id"]))).ok(t, http.StatusOK)
	if fmt.Sprint(shown["counts"]) != "map[failed:2 queued:59]" || len(b.queue.dispatched()) != 59 {
		t.Errorf("counts %v, %d tasks", shown["counts"], len(b.queue.dispatched()))
	}
}

// A message whose opt-out lookup fails is accepted: the worker repeats the
// lookup.
func TestAcceptWithoutOptOuts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger.held = true
	b.optOuts.answers(false, suppression.ErrUnavailable)
	id := b.create(t, "")
	eventually(t, "the task", func() bool { return slices.Equal(b.queue.dispatched(), []message.ID{id}) })
	b.optOuts.answers(true, nil)
	m := b.do(t, post("/v1/messages", messageBody(""))).ok(t, http.StatusAccepted)
	if m["status"] != "failed" || len(b.queue.dispatched()) != 1 {
		t.Errorf("%v, %d tasks", m["status"], len(b.queue.dispatched()))
	}
}

func TestOptOutsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store, err := suppression.NewStore(suppression.Options{Redis: server.Client(t), Metrics: telemetry.NewMetrics(telemetry.Build{}).OptOuts})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *httpapi.Options) { o.OptOuts, o.Webhook.Insecure, o.Webhook.Token = store, true, "" })
	server.Stop()
	for _, r := range []request{get(optedOut), put(optedOut, ""), remove(optedOut), get("/v1/suppressions"), hook(dlr, inboundMessage)} {
		got := b.do(t, r)
		got.refused(t, http.StatusServiceUnavailable, "unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", r.method, r.path)
		}
	}
	if strings.Contains(b.log.String(), "5551212") {
		t.Errorf("a number is in the log: %s", b.log.String())
	}
}
