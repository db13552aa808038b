package pages_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"mmsdispatch/internal/console/pages"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/redistest"
)

// Without Redis every page says so, and what that means, and is there again with it.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := setupOver(t, server.Client(t), nil)
	paths := append(commandsOf(c.page("viewer", "/console/").body), "/console/messages/"+string(message.NewID(message.RandomIdentity(), time.Now())))
	server.Stop()
	for _, path := range paths {
		if path == "/queues/" {
			continue
		}
		a := c.get("viewer", path)
		if a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d", path, a.code)
		}
		wantAll(t, a.body, "<h1>Redis cannot be reached</h1>", "No attempt begins", "REDIS_URL", "data-live")
	}
	posted := c.do("operator", http.MethodPost, "/console/pause", url.Values{"scope": {"lane:bulk"}, "reason": {"r"}})
	wantAll(t, posted.body, "<h1>Redis cannot be reached</h1>")
	if a := c.get("viewer", "/console/nothing"); a.code != http.StatusNotFound {
		t.Errorf("a page that does not exist: %d", a.code)
	}
	server.Restart()
	for _, path := range paths[:1] {
		c.page("viewer", path)
	}
}

// Without PostgreSQL the page of a message that Redis does not hold says so, and all
// others work.
func TestPostgreSQLAway(t *testing.T) {
	t.Parallel()
	log, err := messagelog.New(messagelog.Options{URL: "postgres://u:secret@127.0.0.1:1/mms", Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	c := setup(t, func(o *pages.Options) { o.History = log })
	c.page("viewer", "/console/messages/"+string(c.accept(nil).ID))
	a := c.get("viewer", "/console/messages/"+string(message.NewID(message.RandomIdentity(), time.Now())))
	if a.code != http.StatusServiceUnavailable {
		t.Errorf("%d", a.code)
	}
	wantAll(t, a.body, "<h1>PostgreSQL cannot be reached</h1>", "accepted and sent as usual", "DATABASE_URL")
}
