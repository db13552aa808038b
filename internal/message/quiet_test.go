package message

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// night is what holds a message at testNow.
func night() Held { return Held{Until: testNow().Add(time.Hour), Zone: "America/Denver"} }

func waitingMessage(c Content) *Message {
	c.To, c.Priority = "+12065551212", Normal
	return New(NewID(RandomIdentity(), testNow()), Scope{Tenant: "shop"}, c, "+12065550100", testNow())
}

func TestQuietHoursOfARequest(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]bool{
		`"priority":"normal"`:                       true,
		`"priority":"bulk"`:                         true,
		`"priority":"high"`:                         false,
		`"priority":"high","quietHours":"respect"`:  true,
		`"priority":"normal","quietHours":"ignore"`: false,
		`"priority":"bulk","quietHours":null`:       true,
	} {
		draft := rendered(t, fields)
		if got := draft.Content.RespectsQuietHours(); got != want || len(draft.Problems) > 0 {
			t.Errorf("%s: %t %v", fields, got, found(draft.Problems))
		}
	}
	for _, value := range []string{`"Respect"`, `""`, `"no"`} {
		if got := found(rendered(t, `"quietHours":`+value).Problems); !slices.Equal(got, []string{"quietHours invalid"}) {
			t.Errorf("%s: %v", value, got)
		}
	}
	if got := found(rendered(t, `"quietHours":true`).Problems); !slices.Equal(got, []string{"quietHours wrong_type"}) {
		t.Errorf("%v", got)
	}
}

// A message that is accepted in quiet hours is scheduled from the beginning.
func TestAcceptedInQuietHours(t *testing.T) {
	t.Parallel()
	m := waitingMessage(Content{})
	m.AcceptHeld(Held{}, testNow())
	if m.Status != StatusQueued || len(m.Timeline) != 1 {
		t.Fatalf("%+v", m)
	}
	m.AcceptHeld(night(), testNow())
	if m.Status != StatusScheduled || !m.HeldUntil.Equal(night().Until) || !m.NextAt.Equal(night().Until) {
		t.Errorf("%+v", m)
	}
	if detail := m.Timeline[1].Detail; detail != "held: quiet hours in America/Denver until 2026-03-01T13:00:00Z" {
		t.Errorf("%q", detail)
	}
	for _, e := range m.Timeline {
		if e.Status != StatusScheduled {
			t.Errorf("%+v", e)
		}
	}
	if err := m.Ready(0, testNow()); !errors.Is(err, ErrTooEarly) {
		t.Errorf("%v", err)
	}
	if err := m.Begin(0, Attempt{}, night().Until); err != nil || m.Status != StatusSending || !m.HeldUntil.IsZero() {
		t.Errorf("%v, %+v", err, m)
	}
}

// The expiry of a held message comes first.
func TestHeldMessageExpires(t *testing.T) {
	t.Parallel()
	ends := testNow().Add(time.Minute)
	m := waitingMessage(Content{ExpiresAt: ends})
	if err := m.HoldQuiet(night(), testNow()); err != nil || !m.NextAt.Equal(ends) || !m.HeldUntil.Equal(night().Until) {
		t.Fatalf("%v, %+v", err, m)
	}
	if err := m.Ready(0, ends); !errors.Is(err, ErrExpired) {
		t.Errorf("%v", err)
	}
	if err := m.Expire(ends); err != nil || m.Status != StatusExpired || !m.HeldUntil.IsZero() {
		t.Errorf("%v, %+v", err, m)
	}
}

// A message whose attempt has an unknown outcome stays honest while it is held.
func TestHeldMessageOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	held := func() *Message {
		m := waitingMessage(Content{ExpiresAt: testNow().Add(time.Minute)})
		retry := Retry{Max: 3, Delay: func(int) time.Duration { return time.Second }}
		err := errors.Join(
			m.Begin(0, Attempt{}, testNow()),
			m.Conclude(1, Outcome{Kind: OutcomeUnknown, Detail: "timeout"}, retry, testNow()),
			m.Resend(retry, testNow()),
			m.HoldQuiet(night(), testNow()),
		)
		if err != nil || m.Status != StatusScheduled {
			t.Fatalf("%v, %+v", err, m)
		}
		return m
	}
	end := testNow().Add(time.Minute)
	m := held()
	if err := m.Expire(end); err != nil || m.Status != StatusUnknown {
		t.Errorf("expired: %v, %s", err, m.Status)
	}
	m = held()
	if err := m.Cancel(testNow()); err != nil || m.Status != StatusUnknown {
		t.Errorf("canceled: %v, %s", err, m.Status)
	}
	for _, state := range []ReceiptState{ReceiptSent, ReceiptDelivered, ReceiptUndelivered} {
		m = held()
		if err := m.Receive(Receipt{Attempt: 1, State: state}, testNow()); err != nil || m.Status != Status(state) || !m.HeldUntil.IsZero() {
			t.Errorf("receipt %s: %v, %s", state, err, m.Status)
		}
	}
	m = held()
	if err := m.Conclude(1, Outcome{Kind: OutcomeAccepted, SinchID: "T"}, Retry{}, testNow()); err != nil || m.Status != StatusSent {
		t.Errorf("found at Sinch: %v, %s", err, m.Status)
	}
	if m = held(); !strings.Contains(m.Timeline[len(m.Timeline)-1].Detail, "America/Denver") {
		t.Errorf("%+v", m.Timeline)
	}
}

// A final message is not held.
func TestOnlyWaitingMessagesAreHeld(t *testing.T) {
	t.Parallel()
	m := waitingMessage(Content{})
	if err := errors.Join(m.Cancel(testNow()), nil); err != nil {
		t.Fatal(err)
	}
	if err := m.HoldQuiet(night(), testNow()); !errors.Is(err, ErrNotWaiting) || !m.HeldUntil.IsZero() {
		t.Errorf("%v, %+v", err, m)
	}
}
