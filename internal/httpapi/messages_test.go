package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func TestCreateShowsTheWholeResource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.do(t, post("/v1/messages", `{"to":"206-555-1212","media":["https://media.example.com/a.jpg"],"text":"1 < 2 & é",`+
		`"metadata":{"b":"2","a":"1"}}`))
	id, _ := got.ok(t, http.StatusAccepted)["id"].(string)
	want := `{"id":"` + id + `","clientReference":null,"to":"+12065551212","from":"+12065550100","subject":null,"text":"1 < 2 & é",` +
		`"media":["https://media.example.com/a.jpg"],"priority":"normal","status":"queued","reason":null,"attempts":0,` +
		`"sinchId":null,"sentAs":null,"batchId":null,"fallbackText":null,"callbackUrl":null,` +
		`"createdAt":"2026-03-01T12:00:00.123Z","updatedAt":"2026-03-01T12:00:00.123Z","sendAt":null,"heldUntil":null,"expiresAt":null,"sentAt":null,"finalAt":null,` +
		`"timeline":[{"at":"2026-03-01T12:00:00.123Z","status":"queued","detail":"accepted","attempt":null}],"metadata":{"a":"1","b":"2"},"redactedAt":null}`
	if diff := cmp.Diff(want, string(got.body)); diff != "" {
		t.Error(diff)
	}
	if location := got.header.Get("Location"); location != "/v1/messages/"+id {
		t.Errorf("Location = %q", location)
	}
	if replayed := got.header.Get("Idempotent-Replayed"); replayed != "" {
		t.Errorf("Idempotent-Replayed = %q", replayed)
	}
	eventually(t, "the task", func() bool { return slices.Equal(b.queue.dispatched(), []message.ID{message.ID(id)}) })
	if b.metrics.get("message normal accepted") != 1 {
		t.Error("not counted")
	}
}

func TestResourceOfASentMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, `"sendAt":"2026-03-01T14:00:00+01:00","expiresAt":"2026-03-02T00:00:00Z"`)
	b.ledger.change(id, func(m *message.Message) {
		m.Attempts, m.SinchID, m.SentAs, m.Status = 2, "sinch-1", "SMS", message.StatusUndelivered
		m.Reason = &message.Reason{Code: message.ReasonCarrier, Message: "rejected", SinchCode: "E102"}
		m.SentAt, m.FinalAt = b.now.Add(time.Second), b.now.Add(2*time.Second)
		m.Timeline = append(m.Timeline, message.Entry{At: b.now, Status: message.StatusSent, Detail: "accepted by Sinch", Attempt: 2})
	})
	body := b.do(t, get("/v1/messages/"+string(id))).ok(t, http.StatusOK)
	for name, want := range map[string]any{
		"status": "undelivered", "attempts": 2.0, "sinchId": "sinch-1", "sentAs": "SMS", "sendAt": "2026-03-01T13:00:00.000Z",
		"expiresAt": "2026-03-02T00:00:00.000Z", "sentAt": "2026-03-01T12:00:01.123Z", "finalAt": "2026-03-01T12:00:02.123Z",
		"reason": map[string]any{"code": "carrier", "message": "rejected", "sinchCode": "E102"}, "metadata": map[string]any{},
	} {
		if diff := cmp.Diff(want, body[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	timeline, _ := body["timeline"].([]any)
	last, _ := timeline[len(timeline)-1].(map[string]any)
	if last["attempt"] != 2.0 {
		t.Errorf("timeline %v", timeline)
	}
}

func TestReferenceMakesRepeatingSafe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, `"clientReference":"order-1"`)
	eventually(t, "the task", func() bool { return len(b.queue.dispatched()) == 1 })

	again := b.do(t, post("/v1/messages", `{"clientReference":"order-1","to":"(206) 555-1212",`+
		`"media":["https://media.example.com/a.jpg"]}`))
	if body := again.ok(t, http.StatusOK); body["id"] != string(id) {
		t.Errorf("id %v, want %v", body["id"], id)
	}
	if again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Location") != "/v1/messages/"+string(id) {
		t.Errorf("headers %v", again.header)
	}
	b.do(t, post("/v1/messages", messageBody("")).with("Idempotency-Key", `"order-1"`)).ok(t, http.StatusOK)
	b.do(t, post("/v1/messages", messageBody(`"clientReference":"order-1","text":"x"`))).
		refused(t, http.StatusUnprocessableEntity, "client_reference_reused")

	b.do(t, post("/v1/messages", messageBody(`"clientReference":"order-1"`)).as(testKey)).ok(t, http.StatusAccepted)
	b.do(t, post("/v1/messages", messageBody(`"clientReference":"order-1","text":"x"`)).as(otherKey)).ok(t, http.StatusAccepted)
	if n := b.ledger.size(); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
	eventually(t, "two more tasks", func() bool { return len(b.queue.dispatched()) == 3 })
	if b.metrics.get("message normal duplicate") != 2 {
		t.Error("not counted")
	}
}

func TestLateRetryOfAKnownMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const times = `"sendAt":"2026-03-01T12:10:00Z","expiresAt":"2026-03-01T12:20:00Z"`
	b.create(t, `"clientReference":"a",`+times)
	late := setup(t, func(o *httpapi.Options) {
		o.Ledger = b.ledger
		o.NowFunc = func() time.Time { return b.now.Add(time.Hour) }
	})
	got := late.do(t, post("/v1/messages", messageBody(`"clientReference":"a",`+times)))
	got.ok(t, http.StatusOK)
	if got.header.Get("Idempotent-Replayed") != "true" {
		t.Error("not marked as a repetition")
	}
	want := []string{"sendAt in_past", "expiresAt in_past"}
	for name, body := range map[string]string{
		"other content":     messageBody(`"text":"x","clientReference":"a",` + times),
		"unknown reference": messageBody(`"clientReference":"b",` + times),
		"no reference":      messageBody(times),
	} {
		if p := late.do(t, post("/v1/messages", body)).invalid(t); !slices.Equal(p.fields(), want) {
			t.Errorf("%s: %v", name, p.fields())
		}
	}
	p := late.do(t, post("/v1/messages", messageBody(`"clientReference":"a","priority":"x",`+times))).invalid(t)
	if want := append([]string{"priority invalid"}, want...); !slices.Equal(p.fields(), want) {
		t.Errorf("with another problem: %v", p.fields())
	}
	b.ledger.fails(errRedis)
	late.do(t, post("/v1/messages", messageBody(`"clientReference":"a",`+times))).refused(t, http.StatusServiceUnavailable, "unavailable")
	late.do(t, post("/v1/messages", messageBody(times))).invalid(t)
}

func TestDryRunAcceptsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger.fails(errRedis) // not called
	body := b.do(t, post("/v1/messages?dryRun=true", messageBody(`"sendAt":"2026-03-02T00:00:00Z"`))).ok(t, http.StatusOK)
	if body["id"] != nil || body["status"] != "scheduled" || body["to"] != "+12065551212" || body["createdAt"] != nil {
		t.Errorf("body %v", body)
	}
	guide := b.do(t, post("/send-mms?dryRun=true", messageBody(""))).ok(t, http.StatusOK)
	if guide["id"] != nil || guide["message"] == "MMS request accepted" {
		t.Errorf("body %v", guide)
	}
	p := b.do(t, post("/v1/messages?dryRun=true", messageBody(`"sendAt":"2020-03-02T00:00:00Z","x":1`))).invalid(t)
	if want := []string{"x unknown_field", "sendAt in_past"}; !slices.Equal(p.fields(), want) {
		t.Errorf("problems %v", p.fields())
	}
	if len(b.queue.dispatched()) > 0 {
		t.Error("something was dispatched")
	}
}

// A dry run of a repeated message shows the recorded one and changes nothing.
func TestDryRunOfAKnownReference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const times = `"sendAt":"2026-03-01T12:10:00Z","expiresAt":"2026-03-01T12:20:00Z"`
	same, other := messageBody(`"clientReference":"a",`+times), messageBody(`"clientReference":"a","text":"x",`+times)
	id := string(b.create(t, `"clientReference":"a",`+times))
	late := setup(t, func(o *httpapi.Options) {
		o.Ledger = b.ledger
		o.NowFunc = func() time.Time { return b.now.Add(time.Hour) }
	})
	eventually(t, "the task", func() bool { return len(b.queue.dispatched()) == 1 })

	for _, path := range []string{"/v1/messages?dryRun=true", "/send-mms?dryRun=true"} {
		for when, b := range map[string]*bundle{"in time": b, "late": late} {
			got := b.do(t, post(path, same))
			if got.ok(t, http.StatusOK)["id"] != id || got.header.Get("Idempotent-Replayed") != "true" ||
				got.header.Get("Location") != "/v1/messages/"+id {
				t.Errorf("%s %s: %v, %s", path, when, got.header, got.body)
			}
		}
		b.do(t, post(path, other)).refused(t, http.StatusUnprocessableEntity, "client_reference_reused")
		if p := late.do(t, post(path, other)).invalid(t); !slices.Equal(p.fields(), []string{"sendAt in_past", "expiresAt in_past"}) {
			t.Errorf("%s late, with other content: %v", path, p.fields())
		}
	}

	got := b.do(t, post("/v1/messages?dryRun=true", messageBody(`"clientReference":"b"`)))
	if got.ok(t, http.StatusOK)["id"] != nil || got.header.Get("Idempotent-Replayed") != "" || got.header.Get("Location") != "" {
		t.Errorf("unknown reference: %v, %s", got.header, got.body)
	}
	if got := b.do(t, post("/v1/messages?dryRun=true", same).as(testKey)).ok(t, http.StatusOK); got["id"] != nil {
		t.Errorf("another scope's reference: %v", got)
	}
	if b.ledger.size() != 1 || len(b.queue.dispatched()) != 1 || len(late.queue.dispatched()) != 0 {
		t.Error("something was accepted or dispatched")
	}
	b.ledger.fails(errRedis)
	b.do(t, post("/v1/messages?dryRun=true", same)).refused(t, http.StatusServiceUnavailable, "unavailable")
}

func TestSendMMS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.do(t, post("/send-mms", messageBody(`"clientReference":"a"`)))
	body := got.ok(t, http.StatusAccepted)
	id, _ := body["id"].(string)
	details, _ := body["details"].(map[string]any)
	if body["message"] != "MMS request accepted" || body["trackingId"] != nil || body["status"] != "queued" ||
		details["id"] != id || len(body) != 5 {
		t.Errorf("body %s", got.body)
	}
	if got.header.Get("Location") != "/v1/messages/"+id {
		t.Errorf("Location %q", got.header.Get("Location"))
	}
	b.ledger.change(message.ID(id), func(m *message.Message) { m.SinchID, m.Status = "sinch-7", message.StatusSent })
	again := b.do(t, post("/send-mms", messageBody(`"clientReference":"a"`)))
	if body := again.ok(t, http.StatusOK); body["trackingId"] != "sinch-7" || body["status"] != "sent" ||
		again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("body %s", again.body)
	}
	b.do(t, post("/send-mms", messageBody(`"clientReference":"a","text":"x"`))).
		refused(t, http.StatusUnprocessableEntity, "client_reference_reused")
	p := b.do(t, post("/send-mms", `{}`)).invalid(t)
	if want := []string{"to required", "mediaUrl required"}; !slices.Equal(p.fields(), want) {
		t.Errorf("problems %v", p.fields())
	}
}

func TestAFailedEnqueueIsNotTheCallersTrouble(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.queue.err = errors.New("redis went away")
	b.create(t, "")
	eventually(t, "the log line", func() bool { return strings.Contains(b.log.String(), "the sweeper will") })
}

func TestTheAnswerDoesNotWaitForTheTask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hold := make(chan struct{})
	b.queue.hold = hold
	b.create(t, "")
	if n := len(b.queue.dispatched()); n > 0 {
		t.Errorf("%d tasks were made before the answer", n)
	}
	close(hold)
	eventually(t, "the task", func() bool { return len(b.queue.dispatched()) == 1 })
}

func TestMessagesOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.create(t, ""))
	for _, key := range []string{otherKey, testKey} {
		b.do(t, get("/v1/messages/"+id).as(key)).refused(t, http.StatusNotFound, "not_found")
		b.do(t, post("/v1/messages/"+id+"/cancel", "").as(key)).refused(t, http.StatusNotFound, "not_found")
		b.do(t, post("/v1/messages/"+id+"/replay", `{"force":true}`).as(key)).refused(t, http.StatusNotFound, "not_found")
	}
	gone := string(message.NewID(message.RandomIdentity(), b.now))
	for _, id := range []string{gone, "msg_x"} {
		if p := b.do(t, get("/v1/messages/"+id)).refused(t, http.StatusNotFound, "not_found"); p.Detail != "There is no such message." {
			t.Errorf("%s: %s", id, p.Detail)
		}
	}
	if body := b.do(t, get("/v1/messages/"+id)).ok(t, http.StatusOK); body["status"] != "queued" {
		t.Errorf("status %v", body["status"])
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, "")
	path := "/v1/messages/" + string(id) + "/cancel"
	for _, body := range []string{"", "", `{}`} { // also when it already is
		if got := b.do(t, post(path, body)).ok(t, http.StatusOK); got["status"] != "canceled" {
			t.Errorf("status %v", got["status"])
		}
	}
	p := b.do(t, post(path+"?force=true", `{"reason":"x"}`)).invalid(t)
	if want := []string{"force unknown_field", "reason unknown_field"}; !slices.Equal(p.fields(), want) {
		t.Errorf("problems %v", p.fields())
	}
	b.do(t, post(path, `[]`)).refused(t, http.StatusBadRequest, "invalid_json")
	for _, status := range []message.Status{
		message.StatusSending, message.StatusSent, message.StatusDelivered, message.StatusUnknown, message.StatusFailed,
	} {
		b.ledger.change(id, func(m *message.Message) { m.Status = status })
		b.do(t, post(path, "")).refused(t, http.StatusConflict, "not_cancelable")
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, "")
	path := "/v1/messages/" + string(id) + "/replay"
	become := func(status message.Status) { b.ledger.change(id, func(m *message.Message) { m.Status = status }) }

	b.do(t, post(path, "")).refused(t, http.StatusConflict, "not_replayable")
	for _, status := range []message.Status{message.StatusFailed, message.StatusExpired, message.StatusUndelivered, message.StatusCanceled} {
		become(status)
		if got := b.do(t, post(path, "")).ok(t, http.StatusAccepted); got["status"] != "queued" {
			t.Errorf("from %s: %v", status, got["status"])
		}
	}
	eventually(t, "five tasks", func() bool { return len(b.queue.dispatched()) == 5 })
	become(message.StatusUnknown)
	b.do(t, post(path, "")).refused(t, http.StatusConflict, "force_required")
	b.do(t, post(path, `{"force":false}`)).refused(t, http.StatusConflict, "force_required")
	got := b.do(t, post(path, `{"force":true,"expiresAt":"2026-03-05T00:00:00Z"}`)).ok(t, http.StatusAccepted)
	if got["expiresAt"] != "2026-03-05T00:00:00.000Z" {
		t.Errorf("expiresAt %v", got["expiresAt"])
	}
	p := b.do(t, post(path, `{"force":1,"expiresAt":"2020-01-01T00:00:00Z","x":1}`)).invalid(t)
	if want := []string{"force wrong_type", "x unknown_field", "expiresAt in_past"}; !slices.Equal(p.fields(), want) {
		t.Errorf("problems %v", p.fields())
	}
	b.do(t, post(path, `{"force":true`)).refused(t, http.StatusBadRequest, "invalid_json")
}

func TestReplayBeforeSendAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := b.now.Add(time.Hour)
	id := string(b.create(t, `"sendAt":"`+due.Format(time.RFC3339)+`"`))
	path := "/v1/messages/" + id + "/replay"
	b.do(t, post("/v1/messages/"+id+"/cancel", "")).ok(t, http.StatusOK)
	p := b.do(t, post(path, `{"expiresAt":"`+due.Add(-time.Minute).Format(time.RFC3339)+`"}`)).invalid(t)
	if want := []string{"expiresAt conflict"}; !slices.Equal(p.fields(), want) {
		t.Errorf("problems %v", p.fields())
	}
	if got := b.do(t, get("/v1/messages/"+id)).ok(t, http.StatusOK); got["status"] != "canceled" {
		t.Errorf("refused, and yet %v", got["status"])
	}
	got := b.do(t, post(path, `{"expiresAt":"`+due.Add(time.Minute).Format(time.RFC3339)+`"}`)).ok(t, http.StatusAccepted)
	if got["status"] != "scheduled" {
		t.Errorf("status %v", got["status"])
	}
}

func TestStorageTroubles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.create(t, `"clientReference":"a"`))
	requests := []request{
		post("/v1/messages", messageBody("")), post("/send-mms", messageBody("")), get("/v1/messages"),
		get("/v1/messages?clientReference=a"),
		get("/v1/messages/" + id), post("/v1/messages/"+id+"/cancel", ""), post("/v1/messages/"+id+"/replay", ""),
	}
	for _, r := range requests {
		b.ledger.fails(errRedis)
		got := b.do(t, r)
		got.refused(t, http.StatusServiceUnavailable, "unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", r.method, r.path)
		}
		b.ledger.fails(errors.New("record is damaged"))
		b.do(t, r).refused(t, http.StatusInternalServerError, "internal")
	}
	b.ledger.fails(ledger.ErrFull)
	got := b.do(t, requests[0])
	got.refused(t, http.StatusServiceUnavailable, "backpressure")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.ledger.fails(nil)
	b.create(t, "")
}

func TestFrozenStorageIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *httpapi.Options) { o.StorageTimeout = 0 })
	b.ledger.block = true
	b.do(t, post("/v1/messages", messageBody(""))).refused(t, http.StatusServiceUnavailable, "unavailable")
	if b.ledger.budget > 2*time.Second {
		t.Errorf("the ledger has %s", b.ledger.budget)
	}
	b.do(t, post("/v1/messages", `{}`)).invalid(t)
}

func TestPanicsAreProblems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger.panics = "with +12065551212 in it"
	b.do(t, post("/v1/messages", messageBody(""))).refused(t, http.StatusInternalServerError, "internal")
	eventually(t, "the log line", func() bool { return strings.Contains(b.log.String(), `"panic":"string"`) })
	b.do(t, get("/health")).ok(t, http.StatusOK)
	eventually(t, "no request in flight", func() bool { return b.metrics.inFlight.Load() == 0 })
}

func TestLogsHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(t, `"text":"very private","clientReference":"private-ref"`)
	b.do(t, get("/v1/messages?to=%2B12065551212&clientReference=private-ref"))
	b.do(t, get("/v1/messages/+12065551212"))
	b.do(t, request{method: http.MethodPost, path: "/webhooks/sinch/dlr?token=hook-token", body: `{"code":"N102","to":"12065551212"}`})
	eventually(t, "four lines", func() bool { return strings.Count(b.log.String(), `"message":"request"`) == 4 })
	log := b.log.String()
	for _, secret := range []string{"5551212", "private", "media.example.com", liveKey, "hook-token"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
	var line struct {
		Method, Route, Tenant string
		Status                int
		RequestID             string `json:"request_id"`
		KeyID                 string `json:"key_id"`
	}
	for text := range strings.Lines(log) {
		if strings.Contains(text, `"status":202`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.Method != http.MethodPost || line.Route != "/v1/messages" || line.Tenant != "shop" || line.KeyID == "" || line.RequestID == "" {
		t.Errorf("line %+v", line)
	}
}
