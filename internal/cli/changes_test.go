package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/replay"
)

// changes is an installation whose messages are changed.
type changes struct {
	ledger *ledger.Ledger
	record *replayed
}

func setupChanges(t *testing.T, server *redistest.Server) *changes {
	t.Helper()
	rdb := server.Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return &changes{ledger: l, record: startWorker(t, rdb, l)}
}

// throttled accepts a message of a tenant that waits after an attempt which Sinch
// refused.
func (c *changes) throttled(t *testing.T, scope message.Scope, sinchCode string) message.ID {
	t.Helper()
	a, err := c.ledger.Accept(t.Context(), ledger.Request{
		Scope: scope, From: "+12065550100", Now: time.Now().UTC().Truncate(time.Millisecond),
		Content: message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ledger.Update(t.Context(), a.Message.ID, func(m *message.Message, now time.Time) error {
		if err := m.Begin(m.Task, message.Attempt{Worker: "w"}, now); err != nil {
			return err
		}
		o := message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, SinchCode: sinchCode, Detail: "too fast"}
		return m.Conclude(m.Attempts, o, message.Retry{Max: 3, Delay: func(int) time.Duration { return time.Hour }}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Message.ID
}

func (c *changes) wantStatus(t *testing.T, want message.Status, ids ...message.ID) {
	t.Helper()
	for _, id := range ids {
		m, err := c.ledger.Get(t.Context(), id)
		if err != nil || m.Status != want {
			t.Errorf("%s: %v, %v, want %s", id, m, err, want)
		}
	}
}

// ask runs a command whose question has an answer.
func ask(t *testing.T, answer string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, rest bytes.Buffer
	cmd := newRoot(&out, &rest)
	cmd.SetIn(strings.NewReader(answer))
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), rest.String(), err
}

// TestCancelOfMany: a dry run and a question that was not answered change nothing; the
// workers cancel what the flags select, and nothing else; the audit has it.
func TestCancelOfMany(t *testing.T) {
	server := redistest.Start(t)
	t.Setenv("REDIS_URL", server.URL())
	c := setupChanges(t, server)
	shop := message.Scope{Tenant: "shop"}
	wanted := []message.ID{c.throttled(t, shop, "E104"), c.throttled(t, shop, "E104")}
	others := []message.ID{
		c.throttled(t, shop, ""), c.throttled(t, message.Scope{Tenant: "shop", Test: true}, "E104"), c.throttled(t, message.Scope{Tenant: "bank"}, "E104"),
	}
	selection := []string{"cancel", "--status", "queued", "--reason", "throttled", "--code", "E104", "--tenant", "shop"}
	out, _, err := ask(t, "", append(selection, "--dry-run", "--json")...)
	var selected shownSelection
	if err != nil || json.Unmarshal([]byte(out), &selected) != nil || selected.Count != 2 || selected.Attempted != 0 || len(selected.Sample) != 2 {
		t.Fatalf("%q, %v", out, err)
	}
	selection = append(selection, "--because", "wrong picture, says +12065551212", "--as", "ann")
	for _, answer := range []string{"", "n\n"} {
		_, asked, err := ask(t, answer, selection...)
		if !errors.Is(err, errNotChanged) || !strings.Contains(asked, "2 messages would be canceled. Continue? [y/N]") {
			t.Fatalf("%q: %q, %v", answer, asked, err)
		}
	}
	c.wantStatus(t, message.StatusQueued, slices.Concat(wanted, others)...)
	out, _, err = ask(t, "y\n", append(selection, "--json")...)
	var got shownChange
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || got.Action != "cancel" || got.Status != "done" || got.Total != 2 || got.Done != 2 || got.Skipped != 0 {
		t.Fatalf("%q, %v", out, err)
	}
	c.wantStatus(t, message.StatusCanceled, wanted...)
	c.wantStatus(t, message.StatusQueued, others...)
	wantChangeAudit(t, operator.ActionMessageCancel, "wrong picture, says [number]", "status=queued code=E104 reason=throttled tenant=shop")
	if out, _, err = ask(t, "", selection...); err != nil || !strings.HasSuffix(out, "done: 0 of 0 messages canceled, 0 skipped\n") {
		t.Errorf("again: %q, %v", out, err)
	}
}

// TestSuppressOfMany: the recipients of the selected messages are opted out of their
// tenant, with the reason.
func TestSuppressOfMany(t *testing.T) {
	server := redistest.Start(t)
	t.Setenv("REDIS_URL", server.URL())
	c := setupChanges(t, server)
	c.throttled(t, message.Scope{Tenant: "shop"}, "")
	c.throttled(t, message.Scope{Tenant: "bank"}, "E104")
	selection := []string{"suppress", "--status", "queued", "--code", "none"}
	out, _, err := ask(t, "", append(selection, "--dry-run")...)
	if err != nil || out != "the recipients of 1 message would be opted out of all senders of their tenants\n" {
		t.Fatalf("%q, %v", out, err)
	}
	out, asked, err := ask(t, "", append(selection, "--because", "landlines", "--as", "ann", "--yes")...)
	if err != nil || !strings.HasSuffix(out, "done: 1 of 1 recipients opted out, 0 skipped\n") || strings.Contains(asked, "Continue?") {
		t.Fatalf("%q, %v", out, err)
	}
	if want := []string{"shop +12065551212 landlines"}; !slices.Equal(c.record.optedOut, want) {
		t.Errorf("opted out: %v", c.record.optedOut)
	}
	wantChangeAudit(t, operator.ActionOptOutAdd, "landlines", "status=queued code=none")
}

// TestStopOfMany: a change that runs can be ended, once.
func TestStopOfMany(t *testing.T) {
	server := redistest.Start(t)
	t.Setenv("REDIS_URL", server.URL())
	rdb := server.Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c := &changes{ledger: l}
	id := c.throttled(t, message.Scope{Tenant: "shop"}, "")
	filter := replay.Filter{Statuses: replay.Cancel.Statuses()}
	job, err := replay.NewStore(rdb, l, time.Hour).Create(t.Context(), replay.Request{Filter: filter, Action: replay.Cancel, Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ctl(t, "cancel", job.ID); !errors.Is(err, errBecause) {
		t.Errorf("without a reason: %v", err)
	}
	out, err := ctl(t, "cancel", job.ID, "--because", "wrong group", "--as", "ann")
	if err != nil || out != job.ID+" canceled after 0 of 1\n" {
		t.Errorf("%q, %v", out, err)
	}
	c.wantStatus(t, message.StatusQueued, id)
	wantChangeAudit(t, operator.ActionMessageCancel, "wrong group", job.ID)
	if _, err := ctl(t, "cancel", job.ID, "--because", "again"); err == nil || !strings.Contains(err.Error(), "does not run any more") {
		t.Errorf("again: %v", err)
	}
	other := "rpl_" + strings.Repeat("0", len(job.ID)-len("rpl_"))
	if _, err := ctl(t, "cancel", other, "--because", "x"); !errors.Is(err, replay.ErrNotFound) {
		t.Errorf("of no change: %v", err)
	}
}

// wantChangeAudit checks the only entry of the audit.
func wantChangeAudit(t *testing.T, action operator.Action, reason, target string) {
	t.Helper()
	out, err := ctl(t, "audit", "--json")
	var entries []operator.Entry
	if err != nil || json.Unmarshal([]byte(out), &entries) != nil || len(entries) != 1 {
		t.Fatal(err, out)
	}
	if e := entries[0]; e.Actor != "ann" || e.From != operator.FromCtl || e.Action != action || e.Reason != reason || e.Target != target {
		t.Errorf("the audit has %+v", e)
	}
}

// TestChangesOfManyRefuse: what cannot be meant is refused before anything happens.
func TestChangesOfManyRefuse(t *testing.T) {
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	for args, want := range map[string]string{
		"cancel --status failed --because x":                    "must be one of queued, scheduled",
		"cancel --status queued":                                "--because is required",
		"cancel --status queued --because x --per-second 0":     "more than 0 and at most 1000",
		"cancel --status queued --because x --per-second NaN":   "more than 0 and at most 1000",
		"cancel order-1 --status queued":                        "unknown command",
		"cancel":                                                "accepts 1 arg(s)",
		"suppress --because x":                                  `required flag(s) "status"`,
		"suppress --status delivered --because x":               "must be one of failed, undelivered",
		"suppress --status failed --tenant b@d --because x":     "--tenant",
		"suppress --status failed --batch x --because x":        "must be the id of a batch",
		"suppress --status failed --since never --because x":    "must be a time such as 24h",
		"suppress --status failed --reason because --because x": "there is no such reason",
	} {
		if out, _, err := ask(t, "y\n", strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
}
