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
	"mmsdispatch/internal/message"
)

// listed are the references on a page, and the cursor of the next.
func listed(tb testing.TB, b *bundle, query string) (refs []string, next string) {
	tb.Helper()
	body := b.do(tb, get("/v1/messages?"+query)).ok(tb, http.StatusOK)
	data, _ := body["data"].([]any)
	for _, one := range data {
		m, _ := one.(map[string]any)
		refs = append(refs, fmt.Sprint(m["clientReference"]))
	}
	next, _ = body["nextCursor"].(string)
	return refs, next
}

// ticking gives every message a time one second before the previous one.
func ticking(o *httpapi.Options) {
	start, seconds := o.NowFunc(), 0
	o.NowFunc = func() time.Time { seconds++; return start.Add(time.Duration(seconds) * time.Second) }
}

func fill(tb testing.TB, b *bundle, n int) {
	tb.Helper()
	for i := range n {
		b.create(tb, fmt.Sprintf(`"clientReference":"m%d"`, i))
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	b := setup(t, ticking)
	fill(t, b, 3)
	body := `{"to":"+14165551234","mediaUrl":"https://e.com/a","clientReference":"ca"}`
	canada := b.do(t, post("/v1/messages", body)).ok(t, http.StatusAccepted)
	b.do(t, post("/v1/messages", messageBody("")).as(otherKey)).ok(t, http.StatusAccepted)
	id, _ := canada["id"].(string)
	created, _ := canada["createdAt"].(string)
	b.ledger.change(message.ID(id), func(m *message.Message) { m.Status, m.BatchID = message.StatusFailed, "batch-1" })
	at, err := time.Parse(time.RFC3339, created)
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]string{
		"":                                 {"ca", "m2", "m1", "m0"},
		"status=failed":                    {"ca"},
		"status=queued":                    {"m2", "m1", "m0"},
		"status=queued,failed,failed":      {"ca", "m2", "m1", "m0"},
		"status=unknown":                   nil,
		"to=%2B14165551234":                {"ca"},
		"to=416-555-1234":                  {"ca"},
		"to=+14165551234":                  {"ca"}, // a + that became a space
		"to=%2B447400123456":               nil,
		"clientReference=m1":               {"m1"},
		"clientReference=m9":               nil,
		"clientReference=m1&status=failed": nil,
		"createdAfter=" + url.QueryEscape(at.Add(-time.Second).Format(time.RFC3339Nano)):                             {"ca"},
		"createdAfter=" + url.QueryEscape(at.Add(-time.Millisecond).Format(time.RFC3339Nano)):                        {"ca"},
		"createdAfter=" + url.QueryEscape(created):                                                                   nil,
		"status=queued&createdBefore=" + url.QueryEscape(at.In(time.FixedZone("", 7200)).Format(time.RFC3339Nano)):   {"m2", "m1", "m0"},
		"createdBefore=" + url.QueryEscape(created) + "&createdAfter=" + url.QueryEscape("2026-03-01T12:00:01.500Z"): {"m2", "m1"},
	} {
		if got, _ := listed(t, b, query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if got := b.do(t, get("/v1/messages?status=unknown")); string(got.body) != `{"data":[],"nextCursor":null,"complete":true}` {
		t.Errorf("empty list: %s", got.body)
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*httpapi.Options){
		"times differ":    ticking,
		"times are equal": func(*httpapi.Options) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, configure)
			fill(t, b, 7)
			var seen []string
			query, pages := "limit=3", 0
			for {
				refs, next := listed(t, b, query)
				seen, pages = append(seen, refs...), pages+1
				if pages == 1 {
					b.create(t, `"clientReference":"newcomer"`)
				}
				if next == "" {
					break
				}
				query = "limit=3&cursor=" + next
			}
			slices.Sort(seen)
			seen = slices.DeleteFunc(seen, func(ref string) bool { return ref == "newcomer" })
			if want := []string{"m0", "m1", "m2", "m3", "m4", "m5", "m6"}; !slices.Equal(seen, want) || pages < 3 {
				t.Errorf("%v on %d pages, want %v", seen, pages, want)
			}
		})
	}
}

func TestListLimits(t *testing.T) {
	t.Parallel()
	b := setup(t, ticking)
	fill(t, b, 60)
	for query, want := range map[string]int{"": 50, "limit=1": 1, "limit=200": 60, "limit=60": 60} {
		refs, next := listed(t, b, query)
		if len(refs) != want || (next == "") != (want == 60) {
			t.Errorf("%q: %d messages, next %q; want %d", query, len(refs), next, want)
		}
	}
}

func TestListRefusesOddQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cursor := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	long := strings.Repeat("x", 65)
	for query, want := range map[string]string{
		"x=1": "x unknown_field", "Status=sent": "Status unknown_field", "limit=5&limit=5": "limit duplicate_field",
		"dryRun=true": "dryRun unknown_field",
		"limit=":      "limit invalid", "limit=0": "limit invalid", "limit=201": "limit invalid", "limit=-1": "limit invalid",
		"limit=05":   "limit invalid",
		"limit=%2B5": "limit invalid", "limit=1e1": "limit invalid", "limit=ten": "limit invalid",
		"limit=99999999999999999999": "limit invalid",
		"status=":                    "status invalid", "status=sent,": "status invalid", "status=Sent": "status invalid",
		"status=sent%20queued": "status invalid",
		"to=":                  "to invalid", "to=abc": "to invalid", "clientReference=": "clientReference invalid",
		"clientReference=" + long: "clientReference invalid",
		"clientReference=%00":     "clientReference invalid", "batchId=": "batchId invalid", "batchId=%C3%BC": "batchId invalid",
		"batchId=bad": "batchId invalid", "batchId=%20": "batchId invalid", "batchId=msg_x": "batchId invalid",
		"createdAfter=": "createdAfter invalid", "createdAfter=2026-03-01": "createdAfter invalid",
		"createdBefore=2026-03-01T00:00:00+01:00": "createdBefore invalid",
		"cursor=": "cursor invalid", "cursor=x": "cursor invalid", "cursor=" + cursor("messages 1 msg_x"): "cursor invalid",
		"cursor=" + cursor("x"):           "cursor invalid",
		"cursor=" + cursor("messages 12"): "cursor invalid", "cursor=%25": "cursor invalid", "limit=5;status=sent": "query invalid",
		"limit=%zz":                     "query invalid",
		"a%ff=1":                        "a\uFFFD unknown_field",
		strings.Repeat("y", 101) + "=1": strings.Repeat("y", 100) + "… unknown_field",
	} {
		p := b.do(t, get("/v1/messages?"+query)).invalid(t)
		if !slices.Contains(p.fields(), want) {
			t.Errorf("%s: %v, want %s", query, p.fields(), want)
		}
	}
	p := b.do(t, get("/v1/messages?limit=0&x=1&status=no")).invalid(t)
	if len(p.Errors) != 3 {
		t.Errorf("problems %v, want all three", p.fields())
	}
}

func TestOtherRoutesRefuseOddQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.create(t, ""))
	for _, r := range []request{
		post("/v1/messages?dryrun=true", messageBody("")), post("/v1/messages?dryRun=1", messageBody("")),
		post("/send-mms?dryRun=", messageBody("")),
		post("/v1/messages?dryRun=true&dryRun=true", messageBody("")), get("/v1/messages/" + id + "?x=1"),
	} {
		b.do(t, r).invalid(t)
	}
	b.do(t, post("/v1/messages?dryRun=false", messageBody(""))).ok(t, http.StatusAccepted)
}

// Commands have no dry run; a request with dryRun must not take effect.
func TestCommandsRefuseADryRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	waiting, done := b.create(t, ""), b.create(t, "")
	b.ledger.change(done, func(m *message.Message) { m.Status = message.StatusFailed })
	for id, command := range map[message.ID]string{waiting: "cancel", done: "replay"} {
		path := "/v1/messages/" + string(id)
		before := b.do(t, get(path)).ok(t, http.StatusOK)["status"]
		p := b.do(t, post(path+"/"+command+"?dryRun=true", "")).invalid(t)
		if !slices.Equal(p.fields(), []string{"dryRun unknown_field"}) {
			t.Errorf("%s: %v", command, p.fields())
		}
		if after := b.do(t, get(path)).ok(t, http.StatusOK)["status"]; after != before {
			t.Errorf("%s: %v has become %v", command, before, after)
		}
	}
}
