package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// attempt begins an attempt of a message and records its outcome.
func (c *console) attempt(m *message.Message, o message.Outcome) *message.Message {
	c.tb.Helper()
	retry := message.Retry{Max: 0, Delay: func(int) time.Duration { return time.Second }}
	after, err := c.ledger.Update(c.tb.Context(), m.ID, func(m *message.Message, now time.Time) error {
		if err := m.Begin(m.Task, message.Attempt{API: "mms", Deadline: now.Add(time.Second)}, now); err != nil {
			return err
		}
		return m.Conclude(m.Attempts, o, retry, now)
	})
	if err != nil {
		c.tb.Fatal(err)
	}
	return after
}

func refused(code string) message.Outcome {
	return message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonRecipient, SinchCode: code, Detail: "not reachable"}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	waiting := c.accept(nil)
	failed := c.attempt(c.accept(func(r *ledger.Request) { r.Content.Priority = message.Bulk }), refused("E110"))
	for query, want := range map[string][2]bool{
		"":                            {true, true},
		"?status=failed":              {false, true},
		"?status=queued,failed":       {true, true},
		"?code=E110":                  {false, true},
		"?reason=recipient":           {false, true},
		"?priority=normal":            {true, false},
		"?tenant=acme&kind=live":      {true, true},
		"?tenant=globex":              {false, false},
		"?kind=test":                  {false, false},
		"?after=" + string(failed.ID): {true, false},
	} {
		body := c.page("viewer", "/console/messages"+query).body
		for i, m := range []*message.Message{waiting, failed} {
			if strings.Contains(body, "/console/messages/"+string(m.ID)) != want[i] {
				t.Errorf("%s: message %d is shown: %v", query, i, !want[i])
			}
		}
		wantAll(t, body, "<h1>Messages</h1>")
	}
	for _, query := range []string{"?status=none", "?kind=x", "?priority=x", "?batch=x", "?after=x"} {
		if a := c.get("viewer", "/console/messages"+query); a.code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.code)
		}
	}
}

func TestListContinues(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	const all = 60
	for range all {
		c.accept(nil)
	}
	first := c.page("viewer", "/console/messages").body
	_, rest, found := strings.Cut(first, `<a href="/console/messages?after=`)
	id, _, _ := strings.Cut(rest, `"`)
	if !found {
		t.Fatal("the list does not continue")
	}
	second := c.page("viewer", "/console/messages?after="+id).body
	shown := strings.Count(first, `<th scope="row">`) + strings.Count(second, `<th scope="row">`)
	if shown != all || strings.Contains(second, "Older messages") {
		t.Errorf("%d messages on two pages", shown)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.accept(func(r *ledger.Request) { r.Content.ClientReference = "order-1" })
	sent := c.attempt(m, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "sinch-4711"})
	page := "/console/messages/" + string(m.ID)
	batch, _, err := c.ledger.OpenBatch(t.Context(), ledger.BatchRequest{Scope: acme, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		string(m.ID):              page,
		" " + m.ID.AttemptRef(1):  page,
		"order-1":                 page,
		"sinch-4711":              page,
		string(batch.ID):          "/console/batches/" + string(batch.ID),
		"status:failed code:E110": "/console/messages?code=E110&status=failed",
		"order-2":                 "/console/messages?reference=order-2",
		"":                        "/console/messages",
	} {
		posted := c.do("viewer", http.MethodPost, "/console/search", url.Values{"q": {text}})
		got := c.get("viewer", "/console/messages?"+url.Values{"q": {text}}.Encode())
		for _, a := range []answer{posted, got} {
			if a.code != http.StatusSeeOther || a.header.Get("Location") != want {
				t.Errorf("%q: %d %s, want %s", text, a.code, a.header.Get("Location"), want)
			}
		}
	}
	a := c.do("viewer", http.MethodPost, "/console/search", url.Values{"q": {"+1 (206) 555-1212"}})
	to := a.header.Get("Location")
	if !strings.HasPrefix(to, "/console/messages?number=") || strings.Contains(to, "555") {
		t.Fatalf("a number leads to %s", to)
	}
	wantAll(t, c.page("viewer", to).body, string(sent.ID))
	other := c.do("viewer", http.MethodPost, "/console/search", url.Values{"q": {"+12065551213"}}).header.Get("Location")
	if strings.Contains(c.page("viewer", other).body, string(sent.ID)) {
		t.Error("another number finds the message")
	}
}

func TestMessagePage(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.accept(func(r *ledger.Request) { r.Content.ClientReference = "order-1" })
	page := "/console/messages/" + string(m.ID)
	wantAll(t, c.page("viewer", page).body, "It waits for its turn", "order-1", "1…12", "/queues/queues/normal/tasks/", "hidden")
	err := operator.New(c.rdb, "ann", operator.FromCtl).Pause(t.Context(), pause.All, "maintenance")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, c.page("viewer", page).body, "It waits until all is resumed, which ann has paused: maintenance.")
	c.attempt(m, refused("E110"))
	body := c.page("viewer", page).body
	wantAll(t, body, "Attempt 1", "<rect class=\"call\"", "recipient, Sinch: E110", "this state is final")
	if strings.Contains(body, ">Replay<") || strings.Contains(body, ">Reveal<") {
		t.Error("a viewer has controls")
	}
	operators := c.page("operator", page).body
	if !strings.Contains(operators, ">Replay<") || strings.Contains(operators, ">Reveal<") {
		t.Error("an operator has other controls than Replay")
	}
	for _, path := range []string{"/console/messages/nothing", "/console/messages/" + string(message.NewID(message.RandomIdentity(), time.Now()))} {
		if a := c.get("viewer", path); a.code != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.code)
		}
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.attempt(c.accept(nil), refused("E110"))
	path := "/console/messages/" + string(m.ID) + "/replay"
	wantAll(t, c.page("operator", path).body, "1 message is queued again", "0 may double")
	if a := c.get("viewer", path); a.code != http.StatusForbidden {
		t.Errorf("viewer: %d", a.code)
	}
	if a := c.confirm("operator", path, "number is reachable again"); a.code != http.StatusSeeOther {
		t.Fatalf("replay: %d\n%s", a.code, a.body)
	}
	after, err := c.ledger.Get(t.Context(), m.ID)
	if err != nil || after.Status != message.StatusQueued || after.Replays != 1 {
		t.Fatalf("after: %+v, %v", after, err)
	}
	state, err := queue.New(c.rdb, time.Minute).State(t.Context(), queue.MessageTask(after))
	if err != nil || state != queue.StatePending {
		t.Errorf("task: %v, %v", state, err)
	}
	if a := c.get("operator", path); a.code != http.StatusConflict {
		t.Errorf("a second replay: %d", a.code)
	}
	entries, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(entries) != 1 || entries[0].Action != operator.ActionMessageReplay || entries[0].Target != string(m.ID) {
		t.Errorf("audit: %+v, %v", entries, err)
	}
}

// A replay of unknown outcome is forced only when the confirmation has said so.
func TestReplayOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.attempt(c.accept(nil), message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome, Detail: "no answer"})
	path := "/console/messages/" + string(m.ID) + "/replay"
	stale := c.do("operator", http.MethodPost, path, url.Values{"reason": {"r"}, "status": {"failed"}})
	if stale.code != http.StatusConflict {
		t.Errorf("stale confirmation: %d", stale.code)
	}
	wantAll(t, c.page("operator", path).body, "1 may double")
	if a := c.confirm("operator", path, "asked the customer"); a.code != http.StatusSeeOther {
		t.Fatalf("replay: %d\n%s", a.code, a.body)
	}
	if after, err := c.ledger.Get(t.Context(), m.ID); err != nil || after.Status != message.StatusQueued {
		t.Errorf("after: %+v, %v", after, err)
	}
}

func TestReveal(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.accept(nil)
	page := "/console/messages/" + string(m.ID)
	wantAll(t, c.page("admin", page).body, ">Reveal<")
	if a := c.get("operator", page+"/reveal"); a.code != http.StatusForbidden {
		t.Errorf("operator: %d", a.code)
	}
	if a := c.do("operator", http.MethodPost, page+"/reveal", url.Values{"reason": {"r"}}); a.code != http.StatusForbidden {
		t.Errorf("operator: %d", a.code)
	}
	if a := c.do("admin", http.MethodPost, page+"/reveal", url.Values{}); a.code != http.StatusBadRequest || strings.Contains(a.body, secretText) {
		t.Errorf("without a reason: %d", a.code)
	}
	a := c.confirm("admin", page+"/reveal", "complaint 17")
	if a.code != http.StatusOK {
		t.Fatalf("reveal: %d\n%s", a.code, a.body)
	}
	wantAll(t, a.body, "&#43;12065551212", secretText, "secret-picture.jpg")
	if strings.Contains(a.body, "data-live") {
		t.Error("the revealed page reads itself again")
	}
	entries, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(entries) != 1 || entries[0].Action != operator.ActionMessageReveal || entries[0].Reason != "complaint 17" || entries[0].Actor != "admin" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
	c.page("admin", page) // hides it again
}
