package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/console/pages"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pgtest"
)

// openLog migrates a database and opens the log in it.
func openLog(t *testing.T, database string, records messagelog.Records) *messagelog.Log {
	t.Helper()
	migrator, err := messagelog.NewMigrator(database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := migrator.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := messagelog.New(messagelog.Options{URL: database, Records: records, Retention: 400 * 24 * time.Hour, Connections: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return log
}

// logged writes a message that Redis does not hold to the log.
func logged(t *testing.T, log *messagelog.Log, change func(*message.Message)) *message.Message {
	t.Helper()
	at := time.Now().Add(-40 * 24 * time.Hour).UTC().Truncate(time.Millisecond)
	content := message.Content{To: number, Text: secretText, Media: []string{secretURL}, Priority: message.Normal}
	m := message.New(message.NewID(message.RandomIdentity(), at), acme, content, "+12065550100", at)
	if err := m.Begin(m.Task, message.Attempt{API: "mms", Deadline: at.Add(time.Second)}, at); err != nil {
		t.Fatal(err)
	}
	if err := m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "sinch-old"}, message.Retry{}, at); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(m)
	}
	if err := log.Write(t.Context(), []messagelog.Entry{{Message: m, Version: 1}}); err != nil {
		t.Fatal(err)
	}
	return m
}

// found is where a search leads.
func (c *console) found(text string) string {
	c.tb.Helper()
	a := c.do("viewer", http.MethodPost, "/console/search", url.Values{"q": {text}})
	if a.code != http.StatusSeeOther {
		c.tb.Fatalf("%q: %d\n%s", text, a.code, a.body)
	}
	return a.header.Get("Location")
}

// The search finds what only the long-term log has, by Sinch's id, reference and number.
func TestSearchOfTheLog(t *testing.T) {
	t.Parallel()
	var log *messagelog.Log
	c := setup(t, func(o *pages.Options) { log = openLog(t, pgtest.Shared(t), o.Ledger); o.History = log })
	old := logged(t, log, func(m *message.Message) { m.Content.ClientReference = "order-old" })
	page := "/console/messages/" + string(old.ID)
	for _, text := range []string{"sinch-old", "order-old", string(old.ID)} {
		if to := c.found(text); to != page {
			t.Errorf("%q leads to %s", text, to)
		}
	}
	wantAll(t, c.page("viewer", page).body, "accepted by Sinch")
	current := c.accept(nil)
	list := c.found("+1 (206) 555-1212")
	body := c.page("viewer", list).body
	wantAll(t, body, string(old.ID), string(current.ID))
	if strings.Contains(body, "latest 1,000") {
		t.Error("the list counts as incomplete")
	}
	wantAll(t, c.page("viewer", list+"&status=queued").body, string(current.ID))
	if strings.Contains(c.page("viewer", list+"&status=queued").body, string(old.ID)) {
		t.Error("the filter shows another state")
	}
	if other := c.page("viewer", c.found("+12065551213")).body; strings.Contains(other, string(old.ID)) {
		t.Error("another number finds the message")
	}
	another := setupOver(t, c.rdb, func(o *pages.Options) { o.History = log })
	body = another.page("viewer", list).body
	wantAll(t, body, string(current.ID), "Search for the number again")
	if strings.Contains(body, string(old.ID)) {
		t.Error("a process that does not know the number finds its messages in the log")
	}
}

// What the log says of a message that Redis has as well is not shown.
func TestRedisIsNewerThanTheLog(t *testing.T) {
	t.Parallel()
	var log *messagelog.Log
	c := setup(t, func(o *pages.Options) { log = openLog(t, pgtest.Shared(t), o.Ledger); o.History = log })
	m := c.accept(func(r *ledger.Request) { r.Content.ClientReference = "order-1" })
	if err := log.Write(t.Context(), []messagelog.Entry{{Message: m, Version: 1}}); err != nil {
		t.Fatal(err)
	}
	c.attempt(m, refused("E110"))
	list := c.found("+12065551212")
	for query, want := range map[string]bool{"&status=failed": true, "&status=queued": false, "&code=E110&carrier=none": true} {
		if got := strings.Count(c.page("viewer", list+query).body, `<th scope="row"><a href="/console/messages/`+string(m.ID)); (got == 1) != want {
			t.Errorf("%s: %d rows", query, got)
		}
	}
}

// A list without PostgreSQL has what Redis holds, and says so.
func TestListWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	away, err := messagelog.New(messagelog.Options{URL: "postgres://u:secret@127.0.0.1:1/mms", Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(away.Close)
	c := setup(t, func(o *pages.Options) { o.History = away })
	m := c.accept(nil)
	wantAll(t, c.page("viewer", c.found("+12065551212")).body, string(m.ID), "The long-term log cannot be read")
	c.attempt(m, refused("E110"))
	wantAll(t, c.page("viewer", "/console/problems").body, "E110", "The long-term log cannot be read")
	if to := c.found("sinch-unknown"); to != "/console/messages?reference=sinch-unknown" {
		t.Errorf("leads to %s", to)
	}
}

// With the log the problems are those of a day, not of the latest messages alone.
func TestProblemsOfTheLog(t *testing.T) {
	t.Parallel()
	var log *messagelog.Log
	c := setup(t, func(o *pages.Options) { log = openLog(t, pgtest.Shared(t), o.Ledger); o.History = log })
	at := time.Now().Add(-90 * time.Minute).UTC().Truncate(time.Millisecond)
	for range 3 {
		content := message.Content{To: number, Text: secretText, Priority: message.Normal}
		m := message.New(message.NewID(message.RandomIdentity(), at), acme, content, "+12065550100", at)
		if err := m.Begin(m.Task, message.Attempt{API: "mms", Deadline: at.Add(time.Second)}, at); err != nil {
			t.Fatal(err)
		}
		if err := m.Conclude(1, refused("E110"), message.Retry{}, at); err != nil {
			t.Fatal(err)
		}
		if err := log.Write(t.Context(), []messagelog.Entry{{Message: m, Version: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	both := c.attempt(c.accept(nil), refused("E110")) // in Redis, and in the log
	if err := log.Write(t.Context(), []messagelog.Entry{{Message: both, Version: 3}}); err != nil {
		t.Fatal(err)
	}
	c.attempt(c.accept(nil), refused("E114")) // not logged yet
	body := c.page("viewer", "/console/problems").body
	wantAll(t, body, "messages of the last 24 hours", "<td>4</td><td>1</td>", "falling: 1 in the last hour, 3 in the hour before", "E114")
	if n := strings.Count(body, ">E110</a>"); n != 1 {
		t.Errorf("%d groups", n)
	}
	list := c.page("viewer", "/console/messages?tenant=acme&kind=live&status=failed&reason=recipient&code=E110&carrier=none").body
	if n := strings.Count(list, "recipient E110"); n != 4 {
		t.Errorf("%d messages of the group are listed", n)
	}
	if other := c.page("viewer", "/console/problems?kind=test").body; strings.Contains(other, "E110") {
		t.Error("the filter shows another kind")
	}
}
