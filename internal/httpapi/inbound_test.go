package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/inbound"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/suppression"
	"mmsdispatch/internal/telemetry"
)

// Inbound messages of each shape around a word, from one phone to one sender.
func wordFrom(word, at string) map[string]string {
	return map[string]string{
		"mms":     `{"origin":"MMS_MO","code":"N401","from":"12065551212","to":"12065550100","keyword":"` + word + `","timestamp":"` + at + `"}`,
		"batches": `{"type":"mo_text","id":"01X","from":"12065551212","to":"12065550100","body":"` + word + `","received_at":"` + at + `"}`,
		"batches media": `{"type":"mo_media","from":"12065551212","to":"+12065550100","body":{"message":"` + word + `","media":[]},
			"received_at":"` + at + `"}`,
		"conversation": `{"app_id":"01E","project_id":"p","event_time":"` + at + `","message":{"id":"01EQ","direction":"TO_APP",
			"contact_message":{"text_message":{"text":"` + word + `"}},"channel_identity":{"channel":"SMS","identity":"12065551212"},
			"sender_id":"12065550100"}}`,
	}
}

const inboundPath = "/webhooks/sinch/inbound"

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	open := func(o *httpapi.Options) { o.Webhook.Token = "" }
	for shape := range wordFrom("", "") {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			b := setupOptOuts(t, open)
			says := func(word, at string) {
				t.Helper()
				b.do(t, hook(inboundPath, wordFrom(word, at)[shape])).ok(t, http.StatusOK)
			}
			status := func(more string) any {
				t.Helper()
				return b.do(t, post("/v1/messages", messageBody(more))).ok(t, http.StatusAccepted)["status"]
			}
			says(" stop.", "2026-02-01T10:00:05Z")
			for _, key := range []string{liveKey, otherKey} { // every tenant of the sender
				got := b.do(t, get(optedOut).as(key)).ok(t, http.StatusOK)
				want := map[string]any{
					"number": "+12065551212", "sender": "+12065550100", "reason": "STOP", "source": "inbound", "createdAt": "2026-02-01T10:00:05.000Z",
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%v, want %v", got, want)
				}
				if data, _ := b.do(t, get("/v1/suppressions").as(key)).ok(t, http.StatusOK)["data"].([]any); len(data) != 1 {
					t.Errorf("listed %v", data)
				}
			}
			b.do(t, get(optedOut).as(testKey)).refused(t, http.StatusNotFound, "not_found")
			if got := []any{status(""), status(`"from":"28444"`)}; got[0] != "failed" || got[1] != "queued" {
				t.Errorf("after STOP messages are %v, want failed, and queued from another sender", got)
			}
			says("START", "2026-02-01T10:00:04Z") // older than the STOP
			says("Yes", "2026-02-01T10:00:06Z")
			if got := status(""); got != "failed" {
				t.Errorf("after an older START a message is %v", got)
			}
			says("start", "2026-02-01T10:00:06Z")
			b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
			if got := status(""); got != "queued" {
				t.Errorf("after START a message is %v", got)
			}
			says("QUIT", "2026-02-01T10:00:07Z")
			b.do(t, remove(optedOut)).none(t)
			b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
			b.do(t, get(optedOut).as(otherKey)).ok(t, http.StatusOK)
			if got := status(""); got != "queued" {
				t.Errorf("after DELETE a message is %v", got)
			}
		})
	}
}

func TestInboundIsCounted(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	for _, word := range []string{"STOP", "start", "hello", ""} {
		for _, body := range wordFrom(word, "2026-02-01T10:00:05Z") {
			for _, path := range []string{inboundPath, dlr} {
				b.do(t, hook(path, body)).ok(t, http.StatusOK)
			}
		}
	}
	for _, odd := range []string{
		`{"origin":"MMS_MO","code":"N401","keyword":"STOP"}`, `{"origin":"MMS_MO","code":"N401","keyword":"STOP","from":"28444"}`,
		`{"origin":"MMS_MO","code":"N401","keyword":"STOP","from":{}}`,
	} {
		b.do(t, hook(inboundPath, odd)).ok(t, http.StatusOK)
	}
	for label, want := range map[string]int{
		"receipt mms inbound_stop": 2, "receipt mms inbound_start": 2, "receipt mms inbound": 7,
		"receipt batches inbound_stop": 4, "receipt conversation inbound_stop": 2, "receipt conversation inbound": 4,
	} {
		if got := b.metrics.get(label); got != want {
			t.Errorf("%s: %d, want %d", label, got, want)
		}
	}
	if n := b.receipt.count(); n != 0 || len(b.optOuts.inbound) != 16 {
		t.Errorf("%d applied as receipts, %d recorded", n, len(b.optOuts.inbound))
	}
}

func TestInboundNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	for _, tt := range []struct{ from, to, number, sender string }{
		{"12065551212", "28444", "+12065551212", "28444"},
		{"+1 206 555 1212", "+12065550100", "+12065551212", "+12065550100"},
		{"2065551212", "12065550100", "+12065551212", "+12065550100"},
		{"61412345678", "", "+61412345678", suppression.EverySender},
	} {
		b.do(t, hook(inboundPath, `{"code":"N401","keyword":"STOP","from":"`+tt.from+`","to":"`+tt.to+`"}`)).ok(t, http.StatusOK)
		got := b.optOuts.inbound[len(b.optOuts.inbound)-1]
		if want := (suppression.Inbound{Number: tt.number, Sender: tt.sender, Meaning: suppression.Stop, Word: "STOP"}); got != want {
			t.Errorf("from %s to %s: recorded %+v", tt.from, tt.to, got)
		}
	}
}

// An inbound message has the checks of its shape, and is recorded once.
func TestInboundCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Secret: "s"}))
	bodies := wordFrom("STOP", "2026-02-01T10:00:05Z")
	b.do(t, hook(inboundPath, bodies["mms"])).refused(t, http.StatusUnauthorized, "unauthorized")
	for _, shape := range []string{"batches", "conversation"} {
		r := hook(inboundPath, bodies[shape])
		b.do(t, r).refused(t, http.StatusUnauthorized, "unauthorized")
		signed := r.signed("s", "nonce of "+shape, b.now)
		b.optOuts.answers(false, suppression.ErrUnavailable)
		b.do(t, signed).refused(t, http.StatusServiceUnavailable, "unavailable")
		b.optOuts.answers(false, nil)
		b.do(t, signed).ok(t, http.StatusOK)
		b.do(t, signed).ok(t, http.StatusOK)
	}
	if len(b.optOuts.inbound) != 2 {
		t.Errorf("recorded %d times, want twice", len(b.optOuts.inbound))
	}
}

// setupInbound is setup on real stores, with a second tenant that has a sender for
// itself.
func setupInbound(t *testing.T, configure ...func(*httpapi.Options)) *bundle {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	senders := message.SenderTenants{"28444": {"bank"}}
	optOuts, err := suppression.NewStore(suppression.Options{
		Redis: rdb, Metrics: telemetry.NewMetrics(telemetry.Build{}).OptOuts, Senders: senders,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, OptOutKey: optOuts.Key})
	if err != nil {
		t.Fatal(err)
	}
	parts := func(o *httpapi.Options) {
		o.Ledger, o.Batches, o.OptOuts, o.Webhook = l, l, optOuts, httpapi.WebhookOptions{Insecure: true}
		o.Inbound = inbound.NewStore(inbound.Options{Redis: rdb, TTL: time.Hour, Senders: senders})
		o.Rules = message.NewRules(message.RuleOptions{
			DefaultRegion: "US", Destinations: []string{"US"}, Sender: "+12065550100", Senders: []string{"28444"}, SenderTenants: senders,
		})
	}
	return setup(t, append([]func(*httpapi.Options){parts}, configure...)...)
}

// listedInbound are the messages of a list.
func (b *bundle) listedInbound(t *testing.T, key, query string) []any {
	t.Helper()
	data, _ := b.do(t, get("/v1/inbound"+query).as(key)).ok(t, http.StatusOK)["data"].([]any)
	return data
}

func TestInboundIsStoredAndListed(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"mms": `{"origin":"MMS_MO","code":"N401","tracking-id":"T1","from":"12065551212","to":"12065550100","message-subject":"Hi there",
			"timestamp":"2026-02-01T10:00:05Z","content":[{"file":"https://x.example/1.jpg"},{"file":"https://x.example/2.jpg"}]}`,
		"batches": `{"type":"mo_media","id":"01X","from":"12065551212","to":"12065550100","received_at":"2026-02-01T10:00:05Z","body":
			{"message":"Hi there","media":[{"url":"https://x.example/1.jpg"},{"url":"https://x.example/2.jpg"},{"status":"Failed"}]}}`,
	}
	for shape, body := range bodies {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			b := setupInbound(t)
			for range 3 { // Sinch repeats what it has no answer to
				b.do(t, hook(inboundPath, body)).ok(t, http.StatusOK)
			}
			data := b.listedInbound(t, liveKey, "")
			if len(data) != 1 {
				t.Fatalf("%d messages", len(data))
			}
			got, _ := data[0].(map[string]any)
			delete(got, "id")
			want := map[string]any{
				"from": "+12065551212", "to": "+12065550100", "text": "Hi there", "media": []any{"https://x.example/1.jpg", "https://x.example/2.jpg"},
				"keyword": nil, "receivedAt": "2026-02-01T10:00:05.000Z",
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v, want %v", got, want)
			}
			if n := len(b.listedInbound(t, otherKey, "")); n != 1 {
				t.Errorf("a number that is not listed belongs to all; another tenant sees %d", n)
			}
			if n := len(b.listedInbound(t, testKey, "")); n != 0 {
				t.Errorf("a test key sees %d", n)
			}
		})
	}
}

func TestInboundBelongsToTheTenantsOfItsSender(t *testing.T) {
	t.Parallel()
	b := setupInbound(t)
	b.do(t, hook(inboundPath, `{"type":"mo_text","id":"1","from":"12065551212","to":"28444","body":"STOP"}`)).ok(t, http.StatusOK)
	if n, own := len(b.listedInbound(t, liveKey, "")), len(b.listedInbound(t, otherKey, "")); n != 0 || own != 1 {
		t.Errorf("%d and %d messages, want none and one", n, own)
	}
	b.do(t, get(optedOut)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, get(optedOut).as(otherKey)).ok(t, http.StatusOK)
	if data, _ := b.do(t, get("/v1/suppressions")).ok(t, http.StatusOK)["data"].([]any); len(data) != 0 {
		t.Errorf("lists the STOP to a sender of another tenant: %v", data)
	}
	got := b.do(t, post("/v1/messages", messageBody(`"from":"28444"`))).invalid(t)
	if fields := got.fields(); len(fields) != 1 || fields[0] != "from invalid" {
		t.Errorf("%v", fields)
	}
	b.do(t, post("/v1/messages", `{"to":"+12065551313","mediaUrl":"https://a.example/a.jpg","from":"28444"}`).as(otherKey)).ok(t, http.StatusAccepted)
	batch := `{"messages":[{"to":"+12065551313","mediaUrl":"https://a.example/a.jpg","from":"28444"}]}`
	if got := b.do(t, post("/v1/batches", batch)).ok(t, http.StatusAccepted); got["rejected"] != 1.0 {
		t.Errorf("%v", got)
	}
	csv := request{
		method: http.MethodPost, path: "/v1/batches", key: liveKey, header: http.Header{"Content-Type": {"text/csv"}},
		body: "to,mediaUrl,from\n+12065551313,https://a.example/a.jpg,28444\n",
	}
	if got := b.do(t, csv).ok(t, http.StatusAccepted); got["rejected"] != 1.0 {
		t.Errorf("%v", got)
	}
}

func TestInboundIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	b := setupInbound(t)
	for n := range 5 {
		body := fmt.Sprintf(`{"type":"mo_text","id":"%d","from":"1206555120%d","to":"12065550100","body":"%d"}`, n, n%2, n)
		b.do(t, hook(inboundPath, body)).ok(t, http.StatusOK)
	}
	var texts []any
	for path := "?limit=2"; path != ""; {
		got := b.do(t, get("/v1/inbound"+path)).ok(t, http.StatusOK)
		data, _ := got["data"].([]any)
		for _, one := range data {
			m, _ := one.(map[string]any)
			texts = append(texts, m["text"])
		}
		cursor, more := got["nextCursor"].(string)
		if path = ""; more {
			path = "?limit=2&cursor=" + cursor
		}
	}
	slices.SortFunc(texts, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) // two may share a millisecond
	if fmt.Sprint(texts) != "[0 1 2 3 4]" {
		t.Errorf("pages have %v", texts)
	}
	for query, want := range map[string]int{
		"?from=%2B12065551201": 2, "?from=2065551200": 3, "?from=%2B12065559999": 0, "?to=%2B12065550100": 5, "?to=12065550100": 5,
		"?to=28444": 0, "?from=%2B12065551201&to=28444": 0, "?createdAfter=2020-01-01T00:00:00Z": 5, "?createdAfter=2100-01-01T00:00:00Z": 0,
	} {
		if got := len(b.listedInbound(t, liveKey, query)); got != want {
			t.Errorf("%s: %d messages, want %d", query, got, want)
		}
	}
	for _, query := range []string{"?from=x", "?to=", "?limit=0", "?cursor=x", "?createdBefore=2020-01-01T00:00:00Z", "?createdAfter=now"} {
		b.do(t, get("/v1/inbound"+query)).invalid(t)
	}
	b.do(t, remove("/v1/messages?to=%2B12065551201")).ok(t, http.StatusOK)
	if got := len(b.listedInbound(t, liveKey, "")); got != 3 {
		t.Errorf("%d messages after one phone was erased, want 3", got)
	}
}

func TestInboundIsAnsweredOnceItIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	b.inbound.err = inbound.ErrUnavailable
	for _, body := range wordFrom("hello", "2026-02-01T10:00:05Z") {
		b.do(t, hook(inboundPath, body)).refused(t, http.StatusServiceUnavailable, "unavailable")
	}
}

func TestHelpIsAnswered(t *testing.T) {
	t.Parallel()
	var l httpapi.Ledger
	b := setupInbound(t, func(o *httpapi.Options) { o.HelpText, l = "Shop alerts. STOP ends them.", o.Ledger })
	says := func(id, from, to, word string) {
		t.Helper()
		body := `{"type":"mo_text","id":"` + id + `","from":"` + from + `","to":"` + to + `","body":"` + word + `"}`
		b.do(t, hook(inboundPath, body)).ok(t, http.StatusOK)
	}
	says("1", "12065551212", "28444", "Stop") // HELP is answered after a STOP, too
	says("2", "12065551212", "28444", "Help!")
	says("2", "12065551212", "28444", "Help!") // repeated
	says("3", "12065551212", "28444", "INFO")  // the same day
	says("4", "12065551313", "15005550000", "info")
	says("5", "12065551414", "12065550100", "help me")
	b.queue.soon.Wait()
	senders := make(map[string]string)
	for _, id := range b.queue.dispatched() {
		m, err := l.Get(t.Context(), id)
		if err != nil || m.Content.Text != "Shop alerts. STOP ends them." || len(m.Content.Media) != 0 {
			t.Fatalf("%+v, %v", m, err)
		}
		senders[m.Content.To] += m.From
	}
	want := map[string]string{"+12065551212": "28444", "+12065551313": "+12065550100"}
	if !maps.Equal(senders, want) {
		t.Errorf("answers from %v, want %v", senders, want)
	}
	if data, _ := b.do(t, get("/v1/messages")).ok(t, http.StatusOK)["data"].([]any); len(data) != 0 {
		t.Errorf("an answer to HELP is a message of a tenant: %v", data)
	}
}
