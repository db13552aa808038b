package pages_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/replay"
	"mmsdispatch/internal/suppression"
)

// undelivered is a message that a carrier has rejected.
func (c *console) undelivered(carrier string) *message.Message {
	c.tb.Helper()
	m := c.attempt(c.accept(nil), message.Outcome{Kind: message.OutcomeAccepted, SinchID: "s-1"})
	after, err := c.ledger.Update(c.tb.Context(), m.ID, func(m *message.Message, now time.Time) error {
		return m.Receive(message.Receipt{
			Attempt: 1, State: message.ReceiptUndelivered, Code: message.ReasonCarrier, SinchCode: "E102", Detail: "blocked", Operator: carrier,
		}, now)
	})
	if err != nil {
		c.tb.Fatal(err)
	}
	return after
}

// throttled is a message that waits for its next attempt.
func (c *console) throttled() *message.Message {
	c.tb.Helper()
	m := c.accept(nil)
	after, err := c.ledger.Update(c.tb.Context(), m.ID, func(m *message.Message, now time.Time) error {
		if err := m.Begin(m.Task, message.Attempt{API: "mms", Deadline: now.Add(time.Second)}, now); err != nil {
			return err
		}
		o := message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, SinchCode: "E113", Detail: "too fast"}
		return m.Conclude(1, o, message.Retry{Delay: func(int) time.Duration { return time.Hour }}, now)
	})
	if err != nil {
		c.tb.Fatal(err)
	}
	return after
}

// finish runs a job to its end, as a worker does.
func (c *console) finish(id string) replay.Replay {
	c.tb.Helper()
	suppress := func(ctx context.Context, scope message.Scope, number, reason string) (bool, error) {
		_, added, err := c.stores.OptOuts.Put(ctx, scope, number, "", reason)
		return added, err
	}
	runner := replay.NewRunner(c.stores.Replays, queue.New(c.rdb, time.Minute), suppress, func(error) {}, zerolog.Nop())
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := runner.Round(c.tb.Context())
		if err != nil {
			c.tb.Fatal(err)
		}
		job, err := c.stores.Replays.Get(c.tb.Context(), nil, id)
		if err != nil {
			c.tb.Fatal(err)
		}
		if job.Status != replay.Running {
			return job
		}
		<-tick.C
	}
}

// started confirms a change of a group, and returns the page of its progress and its id.
func (c *console) started(path, reason string) (progress, id string) {
	c.tb.Helper()
	a := c.confirm("operator", path, reason)
	progress = a.header.Get("Location")
	_, id, found := strings.Cut(progress, "?replay=")
	if a.code != http.StatusSeeOther || !found {
		c.tb.Fatalf("%d %s\n%s", a.code, progress, a.body)
	}
	return progress, id
}

// Problems are grouped by carrier, too, with a trend.
func TestProblemsByCarrier(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	one, two := c.undelivered("310260"), c.undelivered("310260")
	other := c.undelivered("31003")
	body := c.page("viewer", "/console/problems").body
	if n := strings.Count(body, ">E102</a>"); n != 2 {
		t.Errorf("%d groups", n)
	}
	wantAll(t, body, "<td>310260</td>", "<td>31003</td>", `aria-label="rising: 2 in the last hour, 0 in the hour before"`, "<polyline")
	if strings.Contains(body, "</button></form></td>") {
		t.Error("a viewer has controls")
	}
	list := c.page("viewer", "/console/messages?carrier=310260&code=E102").body
	wantAll(t, list, string(one.ID), string(two.ID))
	if strings.Contains(list, string(other.ID)) {
		t.Error("the list shows another carrier")
	}
	group := "/console/problems/replay?tenant=acme&kind=live&status=undelivered&cause=carrier&code=E102&carrier=310260"
	wantAll(t, c.page("operator", group).body, "2 messages of acme (live)")
}

// What is tried again can be canceled as a group.
func TestProblemIsCanceled(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	waits, untouched := c.throttled(), c.accept(nil)
	failed := c.attempt(c.accept(nil), refused("E110"))
	body := c.page("operator", "/console/problems").body
	wantAll(t, body, "E113", "(tried again)", ">Cancel</button>", ">Suppress</button>")
	group := "/console/problems/cancel?tenant=acme&kind=live&status=queued&cause=throttled&code=E113&carrier=none"
	wantAll(t, c.page("operator", group).body, "1 waiting message of acme (live) will be canceled", "0 may double")
	if a := c.get("viewer", group); a.code != http.StatusForbidden {
		t.Errorf("viewer: %d", a.code)
	}
	if a := c.confirm("operator", group, ""); a.code != http.StatusBadRequest {
		t.Errorf("without a reason: %d", a.code)
	}
	progress, id := c.started(group, "campaign is over")
	wantAll(t, c.page("operator", progress).body, "Cancel "+id, "0 of 1 messages canceled", ">Stop</button>")
	if job := c.finish(id); job.Replayed != 1 {
		t.Errorf("%+v", job)
	}
	wantAll(t, c.page("viewer", progress).body, "done: 1 of 1 messages canceled, 0 skipped")
	for m, want := range map[*message.Message]message.Status{
		waits: message.StatusCanceled, untouched: message.StatusQueued, failed: message.StatusFailed,
	} {
		if after, err := c.ledger.Get(t.Context(), m.ID); err != nil || after.Status != want {
			t.Errorf("%v, want %s, %v", after, want, err)
		}
	}
	entries, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(entries) != 1 || entries[0].Action != operator.ActionMessageCancel || entries[0].Reason != "campaign is over" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
	for _, path := range []string{
		"/console/problems/cancel?tenant=acme&kind=live&status=failed&cause=recipient&code=E110",
		"/console/problems/replay?tenant=acme&kind=live&status=queued&cause=throttled&code=E113",
	} {
		if a := c.get("operator", path); a.code != http.StatusConflict {
			t.Errorf("%s: %d", path, a.code)
		}
	}
	everything := "/console/problems/cancel?tenant=acme&kind=live&status=queued"
	if a := c.get("operator", everything); a.code != http.StatusBadRequest {
		t.Errorf("all that waits: %d", a.code)
	}
}

// The recipients of a group can be opted out.
func TestProblemIsSuppressed(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	c.attempt(c.accept(nil), refused("E110"))
	c.attempt(c.accept(nil), refused("E110"))
	c.attempt(c.accept(func(r *ledger.Request) { r.Content.To = "+12065551213" }), refused("E114"))
	group := "/console/problems/suppress?tenant=acme&kind=live&status=failed&cause=recipient&code=E110&carrier=none"
	wantAll(t, c.page("operator", group).body, "The recipients of 2 messages of acme (live) will be opted out")
	progress, id := c.started(group, "landline +12065551212")
	c.finish(id)
	wantAll(t, c.page("viewer", progress).body, "1 of 2 messages of recipients opted out, 1 skipped")
	entries, err := c.stores.OptOuts.List(t.Context(), acme, suppression.Position{}, 10)
	if err != nil || len(entries) != 1 || entries[0].Number != number || entries[0].Reason != "landline [number]" {
		t.Errorf("opt-outs: %+v, %v", entries, err)
	}
	recorded, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(recorded) != 1 || recorded[0].Action != operator.ActionOptOutAdd {
		t.Errorf("audit: %+v, %v", recorded, err)
	}
}

// A job is shown to every operator, and can be stopped.
func TestJobIsStopped(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.attempt(c.accept(nil), refused("E110"))
	_, id := c.started("/console/problems/replay?tenant=acme&kind=live&status=failed&cause=recipient&code=E110", "reachable again")
	wantAll(t, c.page("viewer", "/console/problems").body, "Replay "+id, "0 of 1 messages replayed")
	stop := "/console/problems/stop?" + url.Values{"id": {id}}.Encode()
	if a := c.get("viewer", stop); a.code != http.StatusForbidden {
		t.Errorf("viewer: %d", a.code)
	}
	if a := c.confirm("operator", stop, ""); a.code != http.StatusBadRequest {
		t.Errorf("without a reason: %d", a.code)
	}
	if a := c.confirm("operator", stop, "the wrong group"); a.code != http.StatusSeeOther {
		t.Fatalf("stop: %d\n%s", a.code, a.body)
	}
	if job := c.finish(id); job.Status != replay.Canceled || job.Replayed != 0 {
		t.Errorf("%+v", job)
	}
	if after, err := c.ledger.Get(t.Context(), m.ID); err != nil || after.Status != message.StatusFailed {
		t.Errorf("%v, %v", after, err)
	}
	if a := c.get("operator", stop); a.code != http.StatusConflict {
		t.Errorf("a second stop: %d", a.code)
	}
	entries, err := operator.Audit(t.Context(), c.rdb, time.Time{})
	if err != nil || len(entries) != 2 || entries[0].Target != id || entries[0].Reason != "the wrong group" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
}
