package message_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mmsdispatch/internal/message"
)

func start() time.Time { return time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC) }

func policy() message.Retry {
	return message.Retry{Max: 2, Delay: func(int) time.Duration { return time.Second }}
}

func queued(tb testing.TB) *message.Message {
	tb.Helper()
	content := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal}
	id := message.NewID(message.RandomIdentity(), start())
	return message.New(id, message.Scope{Tenant: "shop"}, content, "+12065550000", start())
}

func begin(tb testing.TB, m *message.Message, now time.Time) int {
	tb.Helper()
	if err := m.Begin(m.Task, message.Attempt{Worker: "w", Deadline: now.Add(10 * time.Second)}, now); err != nil {
		tb.Fatalf("begin: %v", err)
	}
	return m.Attempts
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func want(tb testing.TB, m *message.Message, status message.Status, code message.ReasonCode) {
	tb.Helper()
	if m.Status != status {
		tb.Fatalf("status %s, want %s; timeline %+v", m.Status, status, m.Timeline)
	}
	var got message.ReasonCode
	if m.Reason != nil {
		got = m.Reason.Code
	}
	if got != code {
		tb.Fatalf("reason %q, want %q", got, code)
	}
}

// An SMS as fallback reports "sent" a second time, under the same id.
func TestSwitchesToSMS(t *testing.T) {
	t.Parallel()
	m := queued(t)
	n := begin(t, m, start())
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "M1"}, policy(), start()))
	for _, r := range []message.Receipt{
		{State: message.ReceiptSent, SentAs: "MMS", SinchCode: "QUEUED_ON_CHANNEL"},
		{SinchCode: "SWITCHING_CHANNEL"},
		{State: message.ReceiptSent, SentAs: "SMS", SinchCode: "QUEUED_ON_CHANNEL"},
	} {
		r.Attempt = n
		must(t, m.Receive(r, start()))
	}
	want(t, m, message.StatusSent, "")
	if m.SentAs != "SMS" {
		t.Errorf("sent as %q, want SMS", m.SentAs)
	}
	var lines []string
	for _, e := range m.Timeline[len(m.Timeline)-3:] {
		lines = append(lines, e.Detail)
	}
	wanted := []string{"receipt: sent (QUEUED_ON_CHANNEL)", "receipt (SWITCHING_CHANNEL)", "receipt: sent as SMS (QUEUED_ON_CHANNEL)"}
	if !slices.Equal(lines, wanted) {
		t.Errorf("timeline %q, want %q", lines, wanted)
	}
}

func TestOutcomesOfACall(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		outcome message.Outcome
		status  message.Status
		reason  message.ReasonCode
		tries   int
	}{
		{"accepted", message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}, message.StatusSent, "", 0},
		{"refused", message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonRecipient, SinchCode: "E110"}, message.StatusFailed, message.ReasonRecipient, 0},
		{"not sent", message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}, message.StatusQueued, message.ReasonInternal, 1},
		{"throttled", message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled}, message.StatusQueued, message.ReasonThrottled, 0},
		{"account", message.Outcome{Kind: message.OutcomeAccount, Code: message.ReasonAccount}, message.StatusQueued, message.ReasonAccount, 0},
		{"not begun", message.Outcome{Kind: message.OutcomeNotBegun, Code: message.ReasonInternal}, message.StatusQueued, "", 0},
		{"saved media gone", message.Outcome{Kind: message.OutcomeGone, Code: message.ReasonInternal}, message.StatusQueued, message.ReasonInternal, 0},
		{"saved media not ready", message.Outcome{Kind: message.OutcomeNotReady, Code: message.ReasonInternal}, message.StatusQueued, message.ReasonInternal, 0},
		{"unknown", message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome}, message.StatusUnknown, message.ReasonUnknownOutcome, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := queued(t)
			n := begin(t, m, start())
			must(t, m.Conclude(n, c.outcome, policy(), start()))
			want(t, m, c.status, c.reason)
			if m.Tries != c.tries || m.Attempts != 1 {
				t.Fatalf("tries %d attempts %d, want %d and 1", m.Tries, m.Attempts, c.tries)
			}
			if m.SinchID != c.outcome.SinchID {
				t.Fatalf("sinch id %q", m.SinchID)
			}
		})
	}
}

// The timeline has the detail of an outcome, beside the code: a code alone does not
// explain why an attempt failed.
func TestTimelineHasTheDetail(t *testing.T) {
	t.Parallel()
	refused := message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal, Detail: "connection refused"}
	cases := []struct {
		name    string
		outcome message.Outcome
		line    string
	}{
		{"no connection", refused, "not sent: connection refused"},
		{
			"with a code of Sinch's",
			message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, Detail: "throughput exceeded", SinchCode: "E113"},
			"not sent: throughput exceeded (E113)",
		},
		{
			"refused for good",
			message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonRecipient, Detail: "recipient is not valid", SinchCode: "E110"},
			"failed: recipient is not valid (E110)",
		},
		{"without words", message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}, "not sent: internal"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := queued(t)
			n := begin(t, m, start())
			must(t, m.Conclude(n, c.outcome, policy(), start()))
			if got := m.Timeline[len(m.Timeline)-1].Detail; got != c.line {
				t.Errorf("timeline has %q, want %q", got, c.line)
			}
		})
	}
	t.Run("known only after a lookup", func(t *testing.T) {
		t.Parallel()
		m := queued(t)
		n := begin(t, m, start())
		must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeUnknown, Detail: "no answer in time"}, policy(), start()))
		must(t, m.Conclude(n, refused, policy(), start()))
		if got := m.Timeline[len(m.Timeline)-1].Detail; got != "not sent: connection refused" {
			t.Errorf("timeline has %q", got)
		}
	})
}

func TestTriesRunOut(t *testing.T) {
	t.Parallel()
	m, now := queued(t), start()
	for range policy().Max + 1 {
		n := begin(t, m, now)
		must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}, policy(), now))
		now = now.Add(time.Minute)
	}
	want(t, m, message.StatusFailed, message.ReasonRetriesExhausted)
	if m.Attempts != policy().Max+1 {
		t.Fatalf("attempts %d", m.Attempts)
	}
}

func TestMediaAnswersRunOutEarlier(t *testing.T) {
	t.Parallel()
	m, now := queued(t), start()
	generous := message.Retry{Max: 8, Delay: policy().Delay}
	for range 3 {
		n := begin(t, m, now)
		must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonMedia, SinchCode: "E351", MaxRetries: 2}, generous, now))
		now = now.Add(time.Minute)
	}
	want(t, m, message.StatusFailed, message.ReasonMedia)
}

func TestDefer(t *testing.T) {
	t.Parallel()
	reason := message.Reason{Code: message.ReasonMedia, Message: "its host cannot be reached"}
	m, now := queued(t), start()
	for range policy().Max {
		must(t, m.Defer(reason, policy(), now))
		want(t, m, message.StatusQueued, message.ReasonMedia)
		if err := m.Ready(m.Task, now); !errors.Is(err, message.ErrTooEarly) {
			t.Fatalf("ready at once: %v", err)
		}
		now = now.Add(time.Minute)
	}
	begun := *m
	must(t, m.Defer(reason, policy(), now))
	want(t, m, message.StatusFailed, message.ReasonMedia)
	if m.Attempts != 0 || m.Tries != 0 {
		t.Fatalf("attempts %d, tries %d: no request was made", m.Attempts, m.Tries)
	}
	if err := m.Defer(reason, policy(), now); !errors.Is(err, message.ErrNotWaiting) {
		t.Fatalf("deferred after it has failed: %v", err)
	}
	n := begin(t, &begun, now) // the check succeeded: deferrals are counted from zero again
	must(t, begun.Conclude(n, message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}, policy(), now))
	must(t, begun.Defer(reason, policy(), now.Add(time.Minute)))
	want(t, &begun, message.StatusQueued, message.ReasonMedia)
}

// TestPauseEndsWithTheMessage: a pause beyond expiresAt would only keep it from
// being noticed.
func TestPauseEndsWithTheMessage(t *testing.T) {
	t.Parallel()
	long := message.Retry{Max: 2, Delay: func(int) time.Duration { return time.Hour }}
	expires := start().Add(time.Minute)
	for name, pause := range map[string]func(m *message.Message) error{
		"retry": func(m *message.Message) error {
			return m.Conclude(begin(t, m, start()), message.Outcome{Kind: message.OutcomeNotSent}, long, start())
		},
		"throttled": func(m *message.Message) error {
			return m.Conclude(begin(t, m, start()), message.Outcome{Kind: message.OutcomeThrottled}, long, start())
		},
		"deferred": func(m *message.Message) error {
			return m.Defer(message.Reason{Code: message.ReasonMedia}, long, start())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := queued(t)
			m.ExpiresAt = expires
			must(t, pause(m))
			if !m.NextAt.Equal(expires) {
				t.Fatalf("next at %v, expires at %v", m.NextAt, expires)
			}
			if err := m.Ready(m.Task, m.NextAt); !errors.Is(err, message.ErrExpired) {
				t.Fatalf("ready then: %v", err)
			}
		})
	}
}

func TestReceiptBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	m := queued(t)
	n := begin(t, m, start())
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptDelivered, SinchID: "T1", SinchCode: "N102"}, start()))
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome}, policy(), start()))
	want(t, m, message.StatusDelivered, "")
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptSent, SinchCode: "N101"}, start()))
	want(t, m, message.StatusDelivered, "")
	lines := len(m.Timeline)
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptSent, SinchCode: "N101"}, start()))
	if len(m.Timeline) != lines {
		t.Fatal("a receipt that came twice is on the timeline twice")
	}
}

// TestReceiptOfAnImpossibleAttempt: Redis can have lost the last attempt, but not
// more, and no attempt of a scheduled message.
func TestReceiptOfAnImpossibleAttempt(t *testing.T) {
	t.Parallel()
	later := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, SendAt: start().Add(time.Hour)}
	scheduled := message.New(message.NewID(message.RandomIdentity(), start()), message.Scope{Tenant: "shop"}, later, "+12065550000", start())
	for _, m := range []*message.Message{queued(t), scheduled} {
		before := m.Status
		for _, state := range []message.ReceiptState{message.ReceiptSent, message.ReceiptDelivered, message.ReceiptUndelivered} {
			must(t, m.Receive(message.Receipt{Attempt: 99, State: state, SinchCode: "N102"}, start()))
		}
		if m.Status != before || m.Attempts != 0 || len(m.Timeline) != 1 {
			t.Errorf("a receipt of attempt 99 changed %s to %s: %+v", before, m.Status, m)
		}
	}
	must(t, scheduled.Receive(message.Receipt{Attempt: 1, State: message.ReceiptUndelivered, SinchCode: "E102"}, start()))
	want(t, scheduled, message.StatusScheduled, "")
	lost := queued(t)
	must(t, lost.Receive(message.Receipt{Attempt: 1, State: message.ReceiptDelivered, SinchCode: "N102"}, start()))
	want(t, lost, message.StatusDelivered, "")
}

func TestReceiptResolvesUnknown(t *testing.T) {
	t.Parallel()
	m := queued(t)
	n := begin(t, m, start())
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome}, policy(), start()))
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptSent, SinchID: "T1", SinchCode: "N101"}, start()))
	want(t, m, message.StatusSent, "")
	if m.SinchID != "T1" {
		t.Fatalf("sinch id %q", m.SinchID)
	}
}

func TestOldReceiptAfterReplay(t *testing.T) {
	t.Parallel()
	m := queued(t)
	n := begin(t, m, start())
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}, policy(), start()))
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptUndelivered, SinchCode: "E102", Code: message.ReasonCarrier}, start()))
	want(t, m, message.StatusUndelivered, message.ReasonCarrier)
	must(t, m.Replay(false, time.Time{}, start()))
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptUndelivered, SinchCode: "N103", Code: message.ReasonExpired}, start()))
	want(t, m, message.StatusQueued, "")
	must(t, m.Receive(message.Receipt{Attempt: n, State: message.ReceiptDelivered, SinchCode: "N102"}, start()))
	want(t, m, message.StatusDelivered, "")
}

func TestAbsenceCountsOnlyAfterThreeLookupsOverTheWindow(t *testing.T) {
	t.Parallel()
	m := queued(t)
	n := begin(t, m, start())
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome}, policy(), start()))
	after := start().Add(10 * time.Second)
	enough := message.Absence{Lookups: message.LookupsNeeded, Over: time.Minute}
	must(t, m.Absent(n, enough, time.Minute, policy(), after.Add(-time.Second))) // before the deadline: does not count
	for _, at := range []time.Duration{0, time.Second, 59 * time.Second} {
		must(t, m.Absent(n, enough, time.Minute, policy(), after.Add(at)))
		want(t, m, message.StatusUnknown, message.ReasonUnknownOutcome)
	}
	for _, seen := range []message.Absence{{}, {Lookups: 2, Over: time.Hour}, {Lookups: 3, Over: 59 * time.Second}} {
		must(t, m.Absent(n, seen, time.Minute, policy(), after.Add(time.Hour))) // by Redis' clock alone
		want(t, m, message.StatusUnknown, message.ReasonUnknownOutcome)
	}
	must(t, m.Absent(n, enough, time.Minute, policy(), after.Add(time.Minute)))
	if m.Status != message.StatusQueued || m.Tries != 1 || m.Task != 1 {
		t.Fatalf("status %s tries %d task %d", m.Status, m.Tries, m.Task)
	}
}

func TestCancelReplayExpire(t *testing.T) {
	t.Parallel()
	m := queued(t)
	must(t, m.Cancel(start()))
	must(t, m.Cancel(start()))
	want(t, m, message.StatusCanceled, "")
	must(t, m.Replay(false, start().Add(time.Minute), start()))
	if err := m.Begin(0, message.Attempt{}, start()); !errors.Is(err, message.ErrStaleTask) {
		t.Fatalf("the task of before the replay: %v", err)
	}
	if err := m.Ready(m.Task, start().Add(time.Minute)); !errors.Is(err, message.ErrExpired) {
		t.Fatalf("ready after its time: %v", err)
	}
	must(t, m.Expire(start().Add(time.Minute-time.Millisecond)))
	want(t, m, message.StatusQueued, "")
	must(t, m.Expire(start().Add(time.Minute)))
	want(t, m, message.StatusExpired, message.ReasonExpired)
	must(t, m.Replay(false, time.Time{}, start().Add(2*time.Minute)))
	n := begin(t, m, start().Add(2*time.Minute))
	if err := m.Cancel(start()); !errors.Is(err, message.ErrNotCancelable) {
		t.Fatalf("cancel during a call: %v", err)
	}
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome}, policy(), start()))
	if err := m.Replay(false, time.Time{}, start()); !errors.Is(err, message.ErrForceRequired) {
		t.Fatalf("replay of unknown: %v", err)
	}
	must(t, m.Replay(true, time.Time{}, start()))
	must(t, m.Cancel(start()))
	want(t, m, message.StatusUnknown, message.ReasonUnknownOutcome)
}

// TestDueByRedisClock: a clock of the api that is ahead does not make a message
// due before its sendAt.
func TestDueByRedisClock(t *testing.T) {
	t.Parallel()
	due := start().Add(30 * time.Second)
	content := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, SendAt: due}
	ahead := start().Add(time.Minute)
	m := message.New(message.NewID(message.RandomIdentity(), ahead), message.Scope{Tenant: "shop"}, content, "+12065550000", ahead)
	if err := m.Ready(0, start()); !errors.Is(err, message.ErrTooEarly) {
		t.Fatalf("ready before its time: %v", err)
	}
	must(t, m.Ready(0, due))
}

// TestReplayBeforeItsTime: the replay of a message without an attempt keeps its
// sendAt, in each of the final states.
func TestReplayBeforeItsTime(t *testing.T) {
	t.Parallel()
	due := start().Add(time.Hour)
	for name, end := range map[string]func(m *message.Message) error{
		"canceled":  func(m *message.Message) error { return m.Cancel(start()) },
		"opted out": func(m *message.Message) error { return m.Suppress(start()) },
		"expired": func(m *message.Message) error {
			m.ExpiresAt = start()
			return m.Expire(start())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, SendAt: due}
			m := message.New(message.NewID(message.RandomIdentity(), start()), message.Scope{Tenant: "shop"}, content, "+12065550000", start())
			must(t, end(m))
			late := *m
			if err := m.Clone().Replay(false, due, start()); !errors.Is(err, message.ErrNeverSent) {
				t.Fatalf("replay that expires at sendAt: %v", err)
			}
			must(t, m.Replay(false, due.Add(time.Millisecond), start()))
			want(t, m, message.StatusScheduled, "")
			if !m.NextAt.Equal(due) || m.Task != 1 {
				t.Fatalf("next at %v, task %d", m.NextAt, m.Task)
			}
			if err := m.Ready(m.Task, due.Add(-time.Millisecond)); !errors.Is(err, message.ErrTooEarly) {
				t.Fatalf("ready before sendAt: %v", err)
			}
			begin(t, m, due)
			must(t, late.Replay(false, time.Time{}, due))
			want(t, &late, message.StatusQueued, "")
		})
	}
}

// TestRandomInterleavings lets worker, receipts, callers, sweeper and a
// rollback act in any order and checks every step against the table.
func TestRandomInterleavings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal}
		if rapid.Bool().Draw(t, "scheduled") {
			content.SendAt = start().Add(time.Minute)
		}
		if rapid.Bool().Draw(t, "expires") {
			content.ExpiresAt = start().Add(10 * time.Minute)
		}
		m := message.New(message.NewID(message.RandomIdentity(), start()), message.Scope{Tenant: "shop"}, content, "+12065550000", start())
		now := start()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
			before, record := m, encoded(t, m)
			m = before.Clone()
			action := rapid.SampledFrom(actions()).Draw(t, "action")
			err := action.do(t, m, now)
			checkStep(t, before, m, action.name, err)
			if encoded(t, before) != record {
				t.Fatalf("%s on a copy changed the message", action.name)
			}
		}
	})
}

// encoded is the whole content of a message.
func encoded(t *rapid.T, m *message.Message) string {
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type action struct {
	name string
	do   func(t *rapid.T, m *message.Message, now time.Time) error
}

func actions() []action {
	attempt := func(t *rapid.T, m *message.Message) int { return rapid.IntRange(1, m.Attempts+1).Draw(t, "attempt") }
	kinds := []message.OutcomeKind{
		message.OutcomeAccepted, message.OutcomeRefused, message.OutcomeNotSent, message.OutcomeThrottled,
		message.OutcomeAccount, message.OutcomeNotBegun, message.OutcomeUnknown, message.OutcomeGone, message.OutcomeNotReady,
	}
	return []action{
		{"begin", func(_ *rapid.T, m *message.Message, now time.Time) error {
			return m.Begin(m.Task, message.Attempt{Worker: "w", Deadline: now.Add(10 * time.Second)}, now)
		}},
		{"outcome", func(t *rapid.T, m *message.Message, now time.Time) error {
			o := message.Outcome{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Code: message.ReasonInternal}
			return m.Conclude(attempt(t, m), o, policy(), now)
		}},
		{"divide", func(t *rapid.T, m *message.Message, now time.Time) error {
			o := message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonRecipient}
			return m.Divide(attempt(t, m), rapid.IntRange(0, 1).Draw(t, "part"), o, now)
		}},
		{"receipt", func(t *rapid.T, m *message.Message, now time.Time) error {
			states := []message.ReceiptState{message.ReceiptNone, message.ReceiptSent, message.ReceiptDelivered, message.ReceiptUndelivered}
			s := rapid.SampledFrom(states).Draw(t, "state")
			return m.Receive(message.Receipt{Attempt: attempt(t, m), State: s, SinchCode: "c" + string(s)}, now)
		}},
		{"absent", func(t *rapid.T, m *message.Message, now time.Time) error {
			seen := message.Absence{Lookups: rapid.IntRange(1, 4).Draw(t, "lookups"), Over: time.Hour}
			return m.Absent(attempt(t, m), seen, time.Minute, policy(), now)
		}},
		{"resend", func(_ *rapid.T, m *message.Message, now time.Time) error { return m.Resend(policy(), now) }},
		{"cancel", func(_ *rapid.T, m *message.Message, now time.Time) error { return m.Cancel(now) }},
		{"expire", func(_ *rapid.T, m *message.Message, now time.Time) error {
			if !errors.Is(m.Ready(m.Task, now), message.ErrExpired) {
				return nil
			}
			return m.Expire(now)
		}},
		{"replay", func(t *rapid.T, m *message.Message, now time.Time) error {
			return m.Replay(rapid.Bool().Draw(t, "force"), time.Time{}, now)
		}},
		{"deferred", func(_ *rapid.T, m *message.Message, now time.Time) error {
			return m.Defer(message.Reason{Code: message.ReasonMedia}, policy(), now)
		}},
		{"refuse", func(_ *rapid.T, m *message.Message, now time.Time) error {
			if !m.Status.Waiting() {
				return nil
			}
			return m.Refuse(message.Reason{Code: message.ReasonMedia}, now)
		}},
		{"reissue", func(_ *rapid.T, m *message.Message, now time.Time) error { return m.Reissue(now) }},
		{"rollback", func(_ *rapid.T, m *message.Message, now time.Time) error {
			return m.Restore(message.Attempt{N: m.Attempts + 1, State: message.AttemptCalling, Deadline: now}, now)
		}},
	}
}

// checkStep checks the invariants after one step.
func checkStep(t *rapid.T, before, after *message.Message, action string, err error) {
	if _, forbidden := errors.AsType[*message.TransitionError](err); forbidden {
		t.Fatalf("%s is not in the table: %v", action, err)
	}
	if err != nil && after.Status != before.Status {
		t.Fatalf("%s failed with %v and yet moved from %s to %s", action, err, before.Status, after.Status)
	}
	if before.Status.Final() && after.Status != before.Status && action != "replay" && action != "receipt" {
		t.Fatalf("%s moved %s, which is final, to %s", action, before.Status, after.Status)
	}
	if after.Attempts < before.Attempts || after.Task < before.Task {
		t.Fatalf("%s: a counter went down", action)
	}
	if after.Status == message.StatusFailed && before.Status != message.StatusFailed && len(after.Unresolved()) > 0 {
		t.Fatalf("%s: failed while a call may have been accepted", action)
	}
	if (after.Status == message.StatusSending) != (after.Current() != nil) {
		t.Fatalf("%s: sending without a call", action)
	}
	if after.Status.Final() == after.FinalAt.IsZero() {
		t.Fatalf("%s: %s with finalAt %v", action, after.Status, after.FinalAt)
	}
	if after.Status == message.StatusScheduled && (after.Attempts > 0 || !after.NextAt.Equal(after.Content.SendAt)) {
		t.Fatalf("%s: scheduled for %v, sendAt %v, after %d calls", action, after.NextAt, after.Content.SendAt, after.Attempts)
	}
	if len(after.Timeline) > 50 {
		t.Fatalf("%s: timeline of %d lines", action, len(after.Timeline))
	}
}
