package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/workers"
)

func TestEmptyPages(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	for path, title := range map[string]string{
		"": "Overview", "messages": "Messages", "batches": "Batches", "problems": "Problems", "tenants": "Tenants", "senders": "Senders",
		"optouts": "Opt-outs", "callbacks": "Callbacks", "workers": "Workers", "audit": "Audit",
	} {
		body := c.page("viewer", "/console/"+path).body
		wantAll(t, body, "<h1>"+title+"</h1>", "<title>"+title+" – MMS console</title>", `<a href="/console/`+path+`" aria-current="page">`)
	}
	for _, path := range []string{"tenants?day=x", "callbacks?status=x", "audit?since=x", "batches?kind=x", "problems/replay?tenant=acme"} {
		if a := c.get("operator", "/console/"+path); a.code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, a.code)
		}
	}
	for _, path := range []string{"batches/x", "batches?after=x", "problems?replay=rpl_x"} {
		if a := c.get("viewer", "/console/"+path); a.code != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.code)
		}
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	batch, _, err := c.ledger.OpenBatch(t.Context(), ledger.BatchRequest{Scope: acme, Reference: "campaign-1", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	rows := []ledger.Row{{From: "+12065550100", Content: message.Content{
		To: number, Text: secretText, Media: []string{secretURL}, Priority: message.Bulk,
	}}}
	if _, err := c.ledger.AcceptRows(t.Context(), batch, rows); err != nil {
		t.Fatal(err)
	}
	wantAll(t, c.page("viewer", "/console/batches").body, string(batch.ID), "campaign-1", "running")
	if strings.Contains(c.page("viewer", "/console/batches?tenant=globex").body, string(batch.ID)) {
		t.Error("the filter shows a batch of another tenant")
	}
	page := "/console/batches/" + string(batch.ID)
	wantAll(t, c.page("operator", page).body, "1 of 1 messages are open", "bulk", ">Pause</button>")
	pausing := "/console/pause?" + url.Values{"scope": {"batch:" + string(batch.ID)}, "back": {page}}.Encode()
	if a := c.confirm("operator", pausing, "wrong picture"); a.code != http.StatusSeeOther || a.header.Get("Location") != page {
		t.Fatalf("pause: %d %s", a.code, a.header.Get("Location"))
	}
	wantAll(t, c.page("operator", page).body, "<strong>paused</strong>", ">Resume</button>")
}

func TestProblemsAreReplayed(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	for range 3 {
		c.attempt(c.accept(nil), refused("E110"))
	}
	c.attempt(c.accept(nil), refused("E114"))
	unknown := c.attempt(c.accept(nil), message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome, Detail: "no answer"})
	c.accept(nil) // waits, and is no problem
	body := c.page("operator", "/console/problems").body
	if n := strings.Count(body, ">Replay</button>"); n != 3 {
		t.Errorf("%d groups", n)
	}
	wantAll(t, body, "E110", "E114", "not reachable", "a replay may double")
	group := "/console/problems/replay?tenant=acme&kind=live&status=failed&cause=recipient&code=E110"
	wantAll(t, c.page("operator", group).body, "3 messages of acme (live)", "0 may double")
	if a := c.get("viewer", group); a.code != http.StatusForbidden {
		t.Errorf("viewer: %d", a.code)
	}
	if a := c.confirm("operator", group, ""); a.code != http.StatusBadRequest {
		t.Errorf("without a reason: %d", a.code)
	}
	a := c.do("operator", http.MethodPost, group, url.Values{"reason": {"r"}, "rate": {"5"}, "count": {"2"}})
	if a.code != http.StatusBadRequest || !strings.Contains(a.body, "has changed meanwhile") {
		t.Errorf("stale confirmation: %d", a.code)
	}
	a = c.confirm("operator", group, "numbers are reachable again")
	progress := a.header.Get("Location")
	if a.code != http.StatusSeeOther || !strings.HasPrefix(progress, "/console/problems?replay=rpl_") {
		t.Fatalf("replay: %d %s\n%s", a.code, progress, a.body)
	}
	wantAll(t, c.page("viewer", progress).body, "0 of 3 messages replayed", "<progress")
	entries, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(entries) != 1 || entries[0].Action != operator.ActionMessageReplay || entries[0].Target != "acme:live failed recipient E110" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
	doubling := "/console/problems/replay?tenant=acme&kind=live&status=unknown&cause=" + string(unknown.Reason.Code) + "&code=none"
	wantAll(t, c.page("operator", doubling).body, "1 message of acme (live)", "1 may double")
}

func TestTenants(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	_, _, err := apikey.NewStore(c.rdb).Create(t.Context(), apikey.Settings{Tenant: "globex", Test: true, Scopes: apikey.AllScopes})
	if err != nil {
		t.Fatal(err)
	}
	c.attempt(c.accept(nil), refused("E110"))
	body := c.page("operator", "/console/tenants").body
	wantAll(t, body, "acme</a> (live)", "globex</a> (test)", "<td>1</td>")
	if strings.Contains(c.page("viewer", "/console/tenants?kind=live").body, "globex") {
		t.Error("the filter shows another kind")
	}
	if a := c.confirm("operator", "/console/pause?scope=tenant:acme&back=/console/tenants", "asked by phone"); a.code != http.StatusSeeOther {
		t.Fatalf("pause: %d", a.code)
	}
	wantAll(t, c.page("operator", "/console/tenants").body, "paused", ">Resume</button>")
}

// A sender is paused and resumed without its number in any page or address.
func TestSenders(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	scopeIn := func(body string) string {
		_, rest, _ := strings.Cut(body, `name="scope" value="sender:`)
		hash, _, _ := strings.Cut(rest, `"`)
		return "sender:" + hash
	}
	body := c.page("operator", "/console/senders").body
	wantAll(t, body, "1…00", "<td>2.5</td><td>2000</td>")
	if strings.Contains(body, "2065550100") {
		t.Error("the number is shown")
	}
	path := "/console/pause?" + url.Values{"scope": {scopeIn(body)}, "back": {"/console/senders"}}.Encode()
	if a := c.confirm("operator", path, "carrier block"); a.code != http.StatusSeeOther {
		t.Fatalf("pause: %d\n%s", a.code, a.body)
	}
	set, err := pause.NewStore(c.rdb).Read(t.Context())
	if _, paused := set["sender:+12065550100"]; err != nil || !paused {
		t.Fatalf("pauses: %v, %v", set, err)
	}
	overview := c.page("operator", "/console/").body
	if strings.Contains(overview, "2065550100") {
		t.Error("the overview shows the number")
	}
	resume := "/console/resume?" + url.Values{"scope": {scopeIn(overview)}}.Encode()
	if a := c.confirm("operator", resume, "solved"); a.code != http.StatusSeeOther {
		t.Fatalf("resume: %d\n%s", a.code, a.body)
	}
	if set, err := pause.NewStore(c.rdb).Read(t.Context()); err != nil || len(set) != 0 {
		t.Errorf("pauses: %v, %v", set, err)
	}
}

func TestOptOuts(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	if _, _, err := c.stores.OptOuts.Put(t.Context(), acme, number, "", "asked by phone"); err != nil {
		t.Fatal(err)
	}
	wantAll(t, c.page("viewer", "/console/optouts").body, "1…12", "every sender", "acme (live)")
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	configuration := callback.Configuration{URL: "https://hooks.example.com/secret-picture", Events: []callback.Type{callback.EveryType}, Enabled: true}
	if _, _, err := c.stores.Callbacks.Put(t.Context(), acme, configuration); err != nil {
		t.Fatal(err)
	}
	if err := c.stores.Callbacks.Test(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	wantAll(t, c.page("viewer", "/console/callbacks").body, "hooks.example.com", "enabled", "<td>pending</td>")
	if strings.Contains(c.page("viewer", "/console/callbacks?status=failed").body, "<td>pending</td>") {
		t.Error("the filter shows another status")
	}
	configuration.Enabled = false
	if _, _, err := c.stores.Callbacks.Put(t.Context(), acme, configuration); err != nil {
		t.Fatal(err)
	}
	wantAll(t, c.get("viewer", "/console/status.json").body, `"callbacks":{"waiting":1,`, `"disabled":1}`)
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	recorder := workers.NewRecorder()
	recorder.Record(140*time.Millisecond, true)
	publisher := workers.Publisher{
		Redis: c.rdb, Recorder: recorder, Sending: func() int { return 4 }, Now: time.Now,
		Worker: workers.State{ID: "w1", Host: "node-7", Version: "v1.2.3", StartedAt: time.Now().UTC(), Concurrency: 50, Rate: 25},
	}
	if err := publisher.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAll(t, c.page("viewer", "/console/workers").body, "w1", "node-7", "v1.2.3", "4 of 50")
	if strings.Contains(c.page("viewer", "/console/workers?host=other").body, "node-7") {
		t.Error("the filter shows another host")
	}
	wantAll(t, c.get("viewer", "/console/status.json").body, `"workers":[{"id":"w1","host":"node-7","version":"v1.2.3","startedAt":"`,
		`"sending":4,"concurrency":50}]`, `"perSecond":25`, `"errorsPerMinute":1`)
	wantAll(t, c.page("viewer", "/console/").body, "1 worker runs")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	for _, name := range []string{"ann", "bob"} {
		if err := operator.New(c.rdb, name, operator.FromCtl).SetRate(t.Context(), 25, "limit raised by "+name); err != nil {
			t.Fatal(err)
		}
	}
	wantAll(t, c.page("viewer", "/console/audit").body, "limit raised by ann", "limit raised by bob", "rate.set", "perSecond")
	body := c.page("viewer", "/console/audit?actor=ann&action=rate.set&since=1h").body
	if !strings.Contains(body, "by ann") || strings.Contains(body, "by bob") {
		t.Error("the filter shows another actor")
	}
	wantAll(t, c.get("viewer", "/console/status.json").body, `"rate":{"perSecond":25,"source":"operator"`)
}

// The stream tells pages to read themselves again, and ends with the console.
func TestStream(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/console/stream", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("viewer", "viewer")
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	first := make([]byte, len("event: refresh\n"))
	if _, err := response.Body.Read(first); err != nil || string(first) != "event: refresh\n" || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%q, %v", first, err)
	}
}
