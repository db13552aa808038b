package pages_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// stampLayout is the form of times on pages.
const stampLayout = "2006-01-02 15:04:05Z"

// row is the row of a table that begins with a heading.
func row(tb testing.TB, body, heading string) string {
	tb.Helper()
	found := regexp.MustCompile(`(?s)<tr[^>]*><th scope="row">` + regexp.QuoteMeta(heading) + `.*?</tr>`).FindString(body)
	if found == "" {
		tb.Fatalf("no row %q in:\n%s", heading, body)
	}
	return found
}

// The waterfall shows the HTTP phases of each attempt below it, on its own axis, and
// the receipts with the carrier.
func TestWaterfallOfPhases(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.accept(nil)
	first := message.Outcome{
		Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, Detail: "too fast",
		Phases: &message.Phases{Answered: true, DNS: 5 * time.Millisecond, Connect: 15 * time.Millisecond, TLS: 60 * time.Millisecond, FirstByte: 120 * time.Millisecond},
	}
	second := message.Outcome{
		Kind: message.OutcomeAccepted, SinchID: "s-1", Phases: &message.Phases{Answered: true, Reused: true, FirstByte: 140 * time.Millisecond},
	}
	_, err := c.ledger.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
		for _, o := range []message.Outcome{first, second} {
			if err := m.Begin(m.Task, message.Attempt{API: "mms", Deadline: now.Add(time.Second)}, now); err != nil {
				return err
			}
			if err := m.Conclude(m.Attempts, o, message.Retry{Max: 3, Delay: func(int) time.Duration { return 0 }}, now); err != nil {
				return err
			}
		}
		return m.Receive(message.Receipt{Attempt: 2, State: message.ReceiptDelivered, SinchCode: "N102", Operator: "310260"}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	body := c.page("viewer", "/console/messages/"+string(m.ID)).body
	one, two, found := strings.Cut(body, `<th scope="row">Attempt 2`)
	if !found {
		t.Fatal("no second attempt")
	}
	for heading, want := range map[string][]string{
		"DNS":        {"5 ms", `class="dns"`, `x="0.00"`},
		"Connect":    {"15 ms", `class="connect"`, `x="2.50"`, `width="7.50"`},
		"TLS":        {"60 ms", `x="10.00"`, `width="30.00"`},
		"First byte": {"120 ms", `x="40.00"`, `width="60.00"`, "new connection"},
	} {
		wantAll(t, row(t, one, heading), want...)
	}
	wantAll(t, row(t, two, "First byte"), "140 ms", "used connection")
	if strings.Contains(two, `>DNS<`) {
		t.Error("a used connection has a lookup")
	}
	wantAll(t, row(t, two, "Receipt"), "receipt: delivered (N102)")
	wantAll(t, body, "<dt>Carrier</dt><dd>310260</dd>")
}

// A call without an answer shows how long it was waited for.
func TestWaterfallWithoutAnswer(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	m := c.attempt(c.accept(nil), message.Outcome{
		Kind: message.OutcomeUnknown, Detail: "no answer in time", Phases: &message.Phases{Reused: true, FirstByte: 20 * time.Second},
	})
	body := c.page("viewer", "/console/messages/"+string(m.ID)).body
	wantAll(t, row(t, body, "First byte"), "20.0 s", "no answer came")
	wantAll(t, row(t, body, "Lookup or receipt"), "–")
}

// The page lists what will happen to a message and when: pauses that it waits for,
// probes, the next attempt and its expiry.
func TestWhatComesNext(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	expires := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	m := c.accept(func(r *ledger.Request) { r.Content.ExpiresAt = expires })
	page := "/console/messages/" + string(m.ID)
	parked, err := c.ledger.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
		if err := m.Begin(m.Task, message.Attempt{API: "mms", Deadline: now.Add(time.Second)}, now); err != nil {
			return err
		}
		o := message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal, Detail: "no connection"}
		return m.Conclude(1, o, message.Retry{Max: 3, Delay: func(int) time.Duration { return time.Hour }}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	body := c.page("viewer", page).body
	wantAll(t, row(t, body, "Attempt 2"), parked.NextAt.Format(stampLayout), "not earlier")
	wantAll(t, row(t, body, "Expires"), expires.Format(stampLayout), "1 h")
	scope, err := pause.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	ann := operator.New(c.rdb, "ann", operator.FromCtl)
	for scope, reason := range map[pause.Scope]string{scope: "invoice is open", pause.OfBatch("bat_other"): "none of its own"} {
		if err := ann.Pause(t.Context(), scope, reason); err != nil {
			t.Fatal(err)
		}
	}
	body = c.page("viewer", page).body
	wantAll(t, row(t, body, "Pause of tenant:acme ends"), "when it is resumed; ann: invoice is open")
	if strings.Contains(body, "none of its own") {
		t.Error("a pause of another batch is shown")
	}
	scheduled := c.accept(func(r *ledger.Request) { r.Content.SendAt = expires })
	wantAll(t, row(t, c.page("viewer", "/console/messages/"+string(scheduled.ID)).body, "Queued"), "its sendAt", "1 h")
}
