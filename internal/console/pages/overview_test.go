package pages_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/console/pages"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// accept records a message of acme with the secret content.
func (c *console) accept(change func(*ledger.Request)) *message.Message {
	c.tb.Helper()
	request := ledger.Request{
		Scope: acme, From: "+12065550100", Now: time.Now(),
		Content: message.Content{To: number, Text: secretText, Media: []string{secretURL}, Priority: message.Normal},
	}
	if change != nil {
		change(&request)
	}
	accepted, err := c.ledger.Accept(c.tb.Context(), request)
	if err != nil {
		c.tb.Fatal(err)
	}
	return accepted.Message
}

func TestStatus(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	c.accept(nil)
	c.accept(func(r *ledger.Request) { r.Content.Priority = message.Bulk })
	lane, err := pause.Lane("bulk")
	if err != nil {
		t.Fatal(err)
	}
	if err := operator.New(c.rdb, "ops", operator.FromCtl).Pause(t.Context(), lane, "complaints"); err != nil {
		t.Fatal(err)
	}
	a := c.get("viewer", "/console/status.json")
	if a.code != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", a.code, a.header)
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatal(err)
	}
	shape := map[string]string{
		`"lanes":[{`: "name waiting scheduled sending oldestSeconds paused", `"rate":{`: "perSecond source used",
		`"sinch":{`: "state reason p50Ms p99Ms errorsPerMinute", `"pauses":[{`: "scope reason actor since until",
		`"callbacks":{`: "waiting oldestSeconds disabled", `"log":{`: "backlog lagSeconds",
	}
	for begin, names := range shape {
		_, rest, found := strings.Cut(a.body, begin)
		object, _, _ := strings.Cut(rest, "}")
		var members map[string]any
		if err := json.Unmarshal([]byte("{"+object+"}"), &members); err != nil || !found {
			t.Errorf("no %s: %v", begin, err)
		}
		for name := range strings.FieldsSeq(names) {
			if _, there := members[name]; !there || len(members) != len(strings.Fields(names)) {
				t.Errorf("%s has not exactly %s: %s", begin, names, object)
			}
		}
	}
	members := []string{
		"acceptedPerSecond", "callbacks", "failedLastHour", "lanes", "log", "pauses", "rate", "sentPerSecond", "sinch", "unknown", "workers",
	}
	for name := range s {
		if !slices.Contains(members, name) || len(s) != len(members) {
			t.Errorf("member %s of %d", name, len(s))
		}
	}
	wantAll(t, a.body, `"name":"normal","waiting":1,`, `"paused":true`, `"scope":"lane:bulk","reason":"complaints","actor":"ops"`, `"until":null`,
		`"rate":{"perSecond":10,"source":"SINCH_RATE","used":0}`, `"state":"ok","reason":null`, `"workers":[]`, `"log":{"backlog":0,"lagSeconds":0}`)
}

func TestLanesArePausedAndResumed(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	overview := c.page("operator", "/console/")
	if n := strings.Count(overview.body, ">Pause</button>"); n != 3 {
		t.Errorf("%d controls named Pause", n)
	}
	const path = "/console/pause?scope=lane:bulk"
	if a := c.confirm("operator", path, " "); a.code != http.StatusBadRequest || !strings.Contains(a.body, "A reason is required.") {
		t.Errorf("without a reason: %d\n%s", a.code, a.body)
	}
	if a := c.confirm("operator", path, "complaints about +12065551212"); a.code != http.StatusSeeOther || a.header.Get("Location") != "/console/" {
		t.Fatalf("pause: %d %s\n%s", a.code, a.header.Get("Location"), a.body)
	}
	overview = c.page("viewer", "/console/")
	wantAll(t, overview.body, "paused", "complaints about", "lane:bulk")
	if strings.Contains(overview.body, "<button>Resume") || strings.Contains(overview.body, ">Pause</button>") {
		t.Error("a viewer has controls")
	}
	overview = c.page("operator", "/console/")
	wantAll(t, overview.body, ">Resume</button>")
	if a := c.confirm("operator", "/console/resume?scope=lane:bulk", "solved"); a.code != http.StatusSeeOther {
		t.Fatalf("resume: %d", a.code)
	}
	entries, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(entries) != 2 {
		t.Fatalf("audit: %v, %v", entries, err)
	}
	for i, want := range []operator.Action{operator.ActionResume, operator.ActionPause} {
		if e := entries[i]; e.Action != want || e.Actor != "operator" || e.From != operator.FromConsole || e.Target != "lane:bulk" || strings.Contains(e.Reason, "5551212") {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

// A change needs the role, ADMIN_WRITE=true and a request of the console's own.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	c, readOnly := setup(t, nil), setup(t, func(o *pages.Options) { o.Write = false })
	form := url.Values{"scope": {"lane:bulk"}, "reason": {"r"}}
	const path = "/console/pause"
	for name, a := range map[string]answer{
		"viewer":             c.do("viewer", http.MethodPost, path, form),
		"viewer's question":  c.get("viewer", path+"?scope=lane:bulk"),
		"read-only listener": readOnly.do("admin", http.MethodPost, path, form),
		"cross-site":         c.do("admin", http.MethodPost, path, form, "Sec-Fetch-Site", "cross-site"),
		"cross-site page":    c.do("admin", http.MethodGet, path+"?scope=lane:bulk", nil, "Sec-Fetch-Site", "cross-site"),
		"foreign origin":     c.do("admin", http.MethodPost, path, form, "Sec-Fetch-Site", "", "Origin", "https://evil.example"),
	} {
		if a.code != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.code)
		}
	}
	if a := c.do("", http.MethodPost, path, form); a.code != http.StatusUnauthorized {
		t.Errorf("without credentials: %d", a.code)
	}
	for _, scope := range []string{"", "lane:none", "batch:x", "everything"} {
		if a := c.do("admin", http.MethodPost, path, url.Values{"scope": {scope}, "reason": {"r"}}); a.code != http.StatusBadRequest {
			t.Errorf("scope %q: %d", scope, a.code)
		}
	}
	if a := c.do("admin", http.MethodPost, path, url.Values{"scope": {"lane:bulk"}, "reason": {"r"}, "back": {"//evil.example"}}); a.header.Get("Location") != "/console/" {
		t.Errorf("leads to %q", a.header.Get("Location"))
	}
	if n := readOnly.rdb.Exists(t.Context(), pause.RedisKey).Val(); n != 0 {
		t.Error("the read-only listener has paused something")
	}
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	a := c.get("viewer", "/console/nothing")
	if a.code != http.StatusNotFound || !strings.Contains(a.body, "There is no such page.") {
		t.Errorf("%d\n%s", a.code, a.body)
	}
	for path, kind := range map[string]string{
		"/console/assets/console.css": "text/css; charset=utf-8", "/console/assets/console.js": "text/javascript; charset=utf-8",
	} {
		if a := c.get("viewer", path); a.code != http.StatusOK || a.header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, a.code, a.header.Get("Content-Type"))
		}
	}
	if a := c.get("viewer", "/console/assets/"); a.code != http.StatusNotFound {
		t.Errorf("directory: %d", a.code)
	}
	if a := c.get("viewer", "/console"); a.code != http.StatusTemporaryRedirect || a.header.Get("Location") != "/console/" {
		t.Errorf("/console: %d %s", a.code, a.header.Get("Location"))
	}
}
