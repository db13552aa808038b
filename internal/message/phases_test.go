package message_test

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

// The phases of a call stand with the entry of its outcome, whatever that is.
func TestPhasesStandWithTheOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		kind   message.OutcomeKind
		detail string
	}{
		{"accepted", message.OutcomeAccepted, "accepted by Sinch"},
		{"unknown", message.OutcomeUnknown, "outcome unknown: d"},
		{"not sent", message.OutcomeNotSent, "not sent: d"},
		{"refused", message.OutcomeRefused, ""},
	} {
		m := queued(t)
		n := begin(t, m, start())
		phases := &message.Phases{Answered: true, FirstByte: time.Second}
		o := message.Outcome{Kind: tt.kind, Code: message.ReasonInternal, Detail: "d", SinchID: "s", Phases: phases}
		must(t, m.Conclude(n, o, policy(), start()))
		var with []message.Entry
		for _, e := range m.Timeline {
			if e.Phases != nil {
				with = append(with, e)
			}
		}
		if len(with) != 1 || with[0].Phases != phases || with[0].Attempt != n || with[0].Status == message.StatusSending {
			t.Errorf("%s: %+v", tt.name, with)
		}
		if tt.detail != "" && with[0].Detail != tt.detail {
			t.Errorf("%s: %q", tt.name, with[0].Detail)
		}
	}
}

// Phases of a call do not go to the entry of an earlier one, also while the timeline
// drops entries.
func TestPhasesOfALongTimeline(t *testing.T) {
	t.Parallel()
	m := queued(t)
	retry := message.Retry{Max: 100, Delay: func(int) time.Duration { return 0 }}
	const attempts = 40
	for i := range attempts {
		n := begin(t, m, start())
		must(t, m.Conclude(n, message.Outcome{
			Kind: message.OutcomeNotSent, Code: message.ReasonInternal, Detail: "d",
			Phases: &message.Phases{FirstByte: time.Duration(i+1) * time.Millisecond},
		}, retry, start()))
	}
	if m.Dropped == 0 {
		t.Fatal("no entry was dropped")
	}
	seen := 0
	for _, e := range m.Timeline {
		if e.Phases == nil {
			continue
		}
		seen++
		if e.Phases.FirstByte != time.Duration(e.Attempt)*time.Millisecond {
			t.Errorf("attempt %d has %v", e.Attempt, e.Phases.FirstByte)
		}
	}
	if seen == 0 {
		t.Error("no phases")
	}
}

// The carrier is that of the latest receipt that names one.
func TestCarrierOfReceipts(t *testing.T) {
	t.Parallel()
	m := queued(t)
	n := begin(t, m, start())
	must(t, m.Conclude(n, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "s"}, policy(), start()))
	for _, step := range []struct {
		receipt message.Receipt
		want    string
	}{
		{message.Receipt{Attempt: n, State: message.ReceiptSent, SinchCode: "N101"}, ""},
		{message.Receipt{Attempt: n, State: message.ReceiptDelivered, Operator: "31003", SinchCode: "N102"}, "31003"},
		{message.Receipt{Attempt: n, State: message.ReceiptDelivered, SinchCode: "N202", SentAs: "SMS"}, "31003"},
	} {
		must(t, m.Receive(step.receipt, start()))
		if m.Operator != step.want {
			t.Errorf("after %+v: %q", step.receipt, m.Operator)
		}
	}
}
